#!/usr/bin/env bash
# Istio's Bookinfo with Layby, in a cluster on this machine; --help says how.
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source=playground/cluster.sh
. "$here/cluster.sh"

ISTIO_VERSION=${ISTIO_VERSION:-1.31.1}
ISTIO_CHARTS=oci://ghcr.io/istio/release/charts
KEDA_VERSION=${KEDA_VERSION:-2.20.2}
KEDA=https://github.com/kedacore/keda/releases/download/v$KEDA_VERSION/keda-$KEDA_VERSION.yaml
PATIENCE=10m

usage() {
  cat <<'END'
usage: playground/up.sh [kind | minikube | docker-desktop] [--keda] [--policy]

Puts Istio, Prometheus, Tempo, Grafana, Layby and Istio's sample Bookinfo, asleep, into a cluster on
this machine. It may be run again at any time: what is there is kept, and brought up to date.

  kind             makes a cluster `layby` with kind; the default
  minikube         makes a profile `layby` with minikube
  docker-desktop   uses the cluster of Docker Desktop, which has to be turned on in its settings

  --keda           installs KEDA too, which then scales to many and back to zero
  --policy         one HoldPolicy for all workloads, instead of a TrafficHold for each
  --help           this text

ISTIO_VERSION and KEDA_VERSION choose other releases. playground/down.sh takes it all away again.
END
}

chosen='' keda=false policy=false
for word in "$@"; do
  case $word in
    --keda) keda=true ;;
    --policy) policy=true ;;
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
  docker-desktop) need docker kubectl helm ;;
  *) need docker "$CLUSTER" kubectl helm ;;
esac
docker info >/dev/null 2>&1 || fail "docker does not answer: start Docker, and see that you may use it"

make_cluster() {
  if exists; then
    say "cluster: $CONTEXT is there"
    if [[ $CLUSTER == minikube ]] && ! minikube --profile "$NAME" status >/dev/null 2>&1; then
      say "cluster: starting it"
      minikube --profile "$NAME" start --wait all
    fi
    return
  fi
  say "cluster: making $CONTEXT"
  case $CLUSTER in
    kind) kind create cluster --name "$NAME" --wait 3m ;;
    minikube) minikube --profile "$NAME" start --cpus 4 --memory 8g --wait all ;;
    docker-desktop) fail "no cluster answers as docker-desktop: turn Kubernetes on in Docker Desktop's settings" ;;
  esac
}

# End if a namespace is somebody else's: what is installed into it would change what is there, and
# down.sh could not tell the two apart. A cluster that up.sh has made has no other user.
refuse_foreign() {
  local name whose foreign=()
  [[ $CLUSTER == docker-desktop ]] || return 0
  for name in "$@"; do
    whose=$(owner "$name")
    [[ $whose != foreign ]] || foreign+=("$name")
  done
  ((${#foreign[@]} == 0)) && return
  fail "$CONTEXT has namespaces that up.sh needs and has not made, for they lack the label" \
    "$LABEL: ${foreign[*]}. Nothing was installed. Delete them, or use kind or minikube"
}

# Build the image, and have the cluster's nodes know it. Its tag is of its content: another image is
# another tag, so that Deployments take it.
make_image() {
  say "image: building it"
  docker build --quiet --file "$here/../deploy/image/Dockerfile" --tag layby:playground "$here/.." >/dev/null
  local id
  id=$(docker image inspect --format '{{.Id}}' layby:playground)
  id=${id#sha256:}
  TAG=playground-${id:0:12}
  docker tag layby:playground "layby:$TAG"
  case $CLUSTER in
    kind) kind load docker-image --name "$NAME" "layby:$TAG" ;;
    minikube) minikube --profile "$NAME" image load "layby:$TAG" ;;
    docker-desktop) ;; # its cluster has Docker's own images
  esac
}

# Make a namespace, with its label from the start. By a manager of its own: KEDA's manifest has its
# namespace too, and what kubectl has applied before and no longer finds, it takes away.
namespace() {
  k apply --server-side --field-manager layby-playground --filename - <<END
apiVersion: v1
kind: Namespace
metadata:
  name: $1
  labels:
    $LABEL: "true"
END
}

# Wait until all Deployments of a namespace are as they are to be.
rolled_out() {
  local name names
  names=$(k --namespace "$1" get deployments --output name)
  for name in $names; do
    k --namespace "$1" rollout status "$name" --timeout "$PATIENCE"
  done
}

install_istio() {
  say "Istio $ISTIO_VERSION"
  namespace istio-system
  local install=(upgrade --install --namespace istio-system --wait --timeout "$PATIENCE" --version "$ISTIO_VERSION")
  h "${install[@]}" istio-base "$ISTIO_CHARTS/base" --set defaultRevision=default
  h "${install[@]}" istiod "$ISTIO_CHARTS/istiod" --values "$here/istio/istiod.yaml"
  k --namespace istio-system apply --filename "$here/istio/telemetry.yaml"
  # Reached by port-forward, so that it needs no load balancer.
  h "${install[@]}" istio-ingressgateway "$ISTIO_CHARTS/gateway" --set service.type=ClusterIP
}

install_keda() {
  say "KEDA $KEDA_VERSION"
  namespace keda
  k apply --server-side --force-conflicts --filename "$KEDA"
  rolled_out keda
}

install_monitoring() {
  say "Prometheus, Tempo, Grafana"
  namespace monitoring
  k --namespace monitoring apply --filename "$here/monitoring"
  rolled_out monitoring
}

# After KEDA: the chart looks whether it is there.
install_layby() {
  say "Layby"
  namespace layby-system
  h upgrade --install layby "$here/../deploy/helm/layby" --namespace layby-system \
    --values "$here/layby.yaml" --set image.repository=layby --set "image.tag=$TAG" \
    --wait --timeout "$PATIENCE"
}

install_bookinfo() {
  say "Bookinfo"
  k apply --filename "$here/bookinfo/namespace.yaml"
  k --namespace bookinfo apply --filename "$here/bookinfo/services.yaml" --filename "$here/bookinfo/gateway.yaml"
  # What sleeps already has no replica to wait for. What does not is up once, so that a cold start is
  # not the download of an image.
  rolled_out bookinfo
}

hold() {
  if $policy; then
    say "holding all of it, by a HoldPolicy"
    # Not by their names: those that the policy has made have the same.
    k --namespace bookinfo delete trafficholds --selector '!layby.dev/policy'
    k apply --filename "$here/bookinfo/policy.yaml"
    k wait --for condition=Ready holdpolicy/bookinfo --timeout "$PATIENCE"
  else
    say "holding all of it, by a TrafficHold for each"
    k delete --ignore-not-found --filename "$here/bookinfo/policy.yaml"
    # Those that the policy has made go with it; by the same names others are to come.
    k --namespace bookinfo wait --for delete trafficholds --selector layby.dev/policy --timeout "$PATIENCE"
    k --namespace bookinfo apply --filename "$here/bookinfo/holds.yaml"
  fi
  k --namespace bookinfo wait --for condition=Ready trafficholds --all --timeout "$PATIENCE"
}

make_cluster
needed=(istio-system monitoring layby-system bookinfo)
if $keda; then needed+=(keda); fi
refuse_foreign "${needed[@]}"
make_image
install_istio
if $keda; then install_keda; fi
install_monitoring
install_layby
install_bookinfo
hold
say "all of it is there, and asleep after 30 seconds without a request"
cat <<END

In one terminal each:

  kubectl --context $CONTEXT -n istio-system port-forward service/istio-ingressgateway 8080:80
  kubectl --context $CONTEXT -n monitoring port-forward service/grafana 3000
  kubectl --context $CONTEXT -n bookinfo get traffichold,pods --watch

Then http://localhost:8080/productpage, and http://localhost:3000. What to look at is in
playground/README.md.
END
