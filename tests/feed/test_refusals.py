from feed.refusals import MOST, SILENT_SECONDS, Refusals


def test_a_peer_is_told_of_once_a_minute():
    """It comes back twice a second, and the log is for others too."""
    refusals = Refusals()
    told = [now for now in range(150) if refusals.is_news("ipv4:10.0.0.1", float(now))]
    assert [0, SILENT_SECONDS, 2 * SILENT_SECONDS] == told


def test_another_peer_is_news():
    refusals = Refusals()
    assert refusals.is_news("ipv4:10.0.0.1", 0.0)
    assert refusals.is_news("ipv4:10.0.0.2", 0.0)


def test_many_addresses_fill_neither_the_memory_nor_the_log():
    """Whoever has a network of IPv6 has as many as they like."""
    refusals = Refusals()
    told = [n for n in range(10 * MOST) if refusals.is_news(f"ipv6:{n}", n / MOST)]
    assert list(range(MOST)) == told
    assert MOST == len(refusals._told)
    assert refusals.is_news("ipv6:late", SILENT_SECONDS)
