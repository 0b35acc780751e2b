#!/usr/bin/env bash
# Takes away what up.sh has made; --help says how.
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source=playground/cluster.sh
. "$here/cluster.sh"

usage() {
  cat <<'END'
usage: playground/down.sh [kind | minikube | docker-desktop]

  kind             deletes the cluster `layby`; the default
  minikube         deletes the profile `layby`
  docker-desktop   takes Bookinfo, Layby, Prometheus, Tempo, Grafana and Istio out of the cluster;
                   KEDA stays

  --help           this text

It may be run again; what is not there does not matter.
END
}

chosen=''
for word in "$@"; do
  case $word in
    -h | --help)
      usage
      exit
      ;;
    -*) fail "there is no option $word; --help names those there are" ;;
    *)
      [[ -z $chosen ]] || fail "$chosen and $word: name one cluster"
      chosen=$word
      ;;
  esac
done
choose "${chosen:-kind}"
case $CLUSTER in
  docker-desktop) need kubectl helm ;;
  *) need "$CLUSTER" ;;
esac

if ! exists; then
  say "cluster: there is no $CONTEXT"
  exit
fi
case $CLUSTER in
  kind) kind delete cluster --name "$NAME" ;;
  minikube) minikube --profile "$NAME" delete ;;
  docker-desktop)
    say "Layby"
    # First, while all is there: its uninstall wakes what sleeps and lets go of its TrafficHolds.
    h uninstall layby --namespace layby-system --ignore-not-found --wait --timeout 10m
    k delete --ignore-not-found crd trafficholds.layby.dev holdpolicies.layby.dev
    say "Bookinfo"
    k delete --ignore-not-found --filename "$here/bookinfo/namespace.yaml"
    say "Prometheus, Tempo, Grafana"
    k --namespace monitoring delete --ignore-not-found --filename "$here/monitoring"
    k delete --ignore-not-found namespace monitoring layby-system
    say "Istio"
    for release in istio-ingressgateway istiod istio-base; do
      h uninstall "$release" --namespace istio-system --ignore-not-found --wait
    done
    k delete --ignore-not-found namespace istio-system
    ;;
esac
say "done"
