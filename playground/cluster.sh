# shellcheck shell=bash
# Which cluster up.sh and down.sh are about, and what they need to have. Sourced by both.

NAME=layby
LABEL=layby.dev/playground # on each namespace that up.sh makes, for down.sh to know them

say() { printf '==> %s\n' "$*"; }

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Choose a provider: sets CLUSTER, and CONTEXT, by which kubectl and helm reach it.
choose() {
  CLUSTER=$1
  case $CLUSTER in
    kind) CONTEXT=kind-$NAME ;;
    minikube) CONTEXT=$NAME ;;
    docker-desktop) CONTEXT=docker-desktop ;;
    *) fail "$CLUSTER is no cluster that it knows: write kind, minikube or docker-desktop" ;;
  esac
}

# Say of all programs that are missing where to get them, and end if there is one.
need() {
  local program missing=0
  for program in "$@"; do
    command -v "$program" >/dev/null && continue
    missing=1
    printf '%s: %s is not on PATH: install it, see %s\n' "${0##*/}" "$program" "$(place "$program")" >&2
  done
  ((missing == 0)) || exit 1
}

place() {
  case $1 in
    docker) echo https://docs.docker.com/get-docker/ ;;
    helm) echo https://helm.sh/docs/intro/install/ ;;
    kind) echo https://kind.sigs.k8s.io/docs/user/quick-start/#installation ;;
    kubectl) echo https://kubernetes.io/docs/tasks/tools/ ;;
    minikube) echo https://minikube.sigs.k8s.io/docs/start/ ;;
  esac
}

# Tell whether the cluster is there, be it that it runs or not.
exists() {
  case $CLUSTER in
    kind) [[ $'\n'$(kind get clusters 2>/dev/null)$'\n' == *$'\n'$NAME$'\n'* ]] ;;
    minikube)
      local profiles
      profiles=$(minikube profile list --output json 2>/dev/null) || true # fails if there is none
      [[ ${profiles//[[:space:]]/} == *'"Name":"'$NAME'"'* ]]
      ;;
    docker-desktop) kubectl --context "$CONTEXT" version >/dev/null 2>&1 ;;
  esac
}

# Say of a namespace whether it is `ours`, somebody else's (`foreign`), or not there (`none`).
owner() {
  local found
  found=$(k get namespace "$1" --ignore-not-found \
    --output 'jsonpath=there {.metadata.labels.layby\.dev/playground}') || return
  case $found in
    '') echo none ;;
    'there true') echo ours ;;
    *) echo foreign ;;
  esac
}

k() { kubectl --context "$CONTEXT" "$@"; }

h() { helm --kube-context "$CONTEXT" "$@"; }
