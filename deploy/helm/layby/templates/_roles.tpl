{{- /* One rule for one call, as the programs make them: see tests/deploy. */ -}}

{{- define "layby.extproc.rules" -}}
# What is held.
- apiGroups: [layby.dev]
  resources: [trafficholds]
  verbs: [list, watch]
# Which ports lead to it, and whether it is ready.
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
# Waking it: any kind with a scale subresource.
- apiGroups: ["*"]
  resources: ["*/scale"]
  verbs: [get, patch]
# Why it does not start.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [deployments, statefulsets, replicasets]
  verbs: [get]
- apiGroups: [argoproj.io]
  resources: [rollouts]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [list]
{{- end }}

{{- define "layby.controller.rules" -}}
- apiGroups: [layby.dev]
  resources: [trafficholds]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [layby.dev]
  resources: [holdpolicies]
  verbs: [list, watch]
- apiGroups: [layby.dev]
  resources: [trafficholds/status, holdpolicies/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [namespaces, services]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [deployments, statefulsets, replicasets]
  verbs: [list, watch]
- apiGroups: [argoproj.io]
  resources: [rollouts]
  verbs: [list, watch]
- apiGroups: ["*"]
  resources: ["*/scale"]
  verbs: [get, patch]
{{- if .Values.keda.enabled }}
# Who else scales them.
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [list, watch, create, patch, delete]
{{- end }}
# Whether KEDA is there.
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [scaledobjects.keda.sh]
  verbs: [list, watch]
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* A role and its binding, in a namespace or for the cluster:
     (dict "root" . "name" N "account" A "namespace" NS "part" P "rules" TEXT "annotations" {}) */}}
{{- define "layby.role" -}}
{{- $kind := ternary "Role" "ClusterRole" (ne .namespace "") -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata: {{- include "layby.role.metadata" . | nindent 2 }}
rules: {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata: {{- include "layby.role.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{- define "layby.role.metadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels: {{- include "layby.labels" (list .root .part) | nindent 2 }}
{{- with .annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
