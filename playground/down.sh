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
  docker-desktop   takes Bookinfo, Layby, Prometheus, Tempo, Grafana and Istio out of the cluster,
                   namespace by namespace, if up.sh has made them; KEDA stays

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

# Tell whether a namespace is there and the playground's; of one that is somebody else's say so.
mine() {
  local whose
  whose=$(owner "$1") || fail "it cannot be told whose the namespace $1 is; run it again"
  [[ $whose != foreign ]] || say "left alone: namespace $1, which up.sh has not made (no label $LABEL)"
  [[ $whose == ours ]]
}

if ! exists; then
  say "cluster: there is no $CONTEXT"
  exit
fi
case $CLUSTER in
  kind) kind delete cluster --name "$NAME" ;;
  minikube) minikube --profile "$NAME" delete ;;
  docker-desktop)
    if mine layby-system; then
      say "Layby"
      # First, while all is there: its uninstall wakes what sleeps and lets go of its TrafficHolds.
      h uninstall layby --namespace layby-system --ignore-not-found --wait --timeout 10m
      k delete --ignore-not-found crd trafficholds.layby.dev holdpolicies.layby.dev
      k delete --ignore-not-found namespace layby-system
    fi
    if mine bookinfo; then
      say "Bookinfo"
      k delete --ignore-not-found --filename "$here/bookinfo/namespace.yaml"
    fi
    if mine monitoring; then
      say "Prometheus, Tempo, Grafana"
      k --namespace monitoring delete --ignore-not-found --filename "$here/monitoring"
      k delete --ignore-not-found namespace monitoring
    fi
    if mine istio-system; then
      say "Istio"
      for release in istio-ingressgateway istiod istio-base; do
        h uninstall "$release" --namespace istio-system --ignore-not-found --wait
      done
      k delete --ignore-not-found namespace istio-system
    fi
    ;;
esac
say "done"
