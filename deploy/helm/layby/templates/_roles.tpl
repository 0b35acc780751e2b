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

{{/* In Layby's own namespace, if not all are watched. */}}
{{- define "layby.extproc.rules.own" -}}
# Where the hold servers are: they tell one another, and the controllers, of demand.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end }}

{{- define "layby.controller.rules" -}}
- apiGroups: [layby.dev]
  resources: [trafficholds]
  verbs: [list, watch, patch]
- apiGroups: [layby.dev]
  resources: [trafficholds/status]
  verbs: [patch]
{{- if not .Values.watchNamespaces }}
# HoldPolicies, which are of the whole cluster, and what they make.
- apiGroups: [layby.dev]
  resources: [holdpolicies]
  verbs: [list, watch]
- apiGroups: [layby.dev]
  resources: [trafficholds]
  verbs: [create, delete]
- apiGroups: [layby.dev]
  resources: [holdpolicies/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
{{- end }}
- apiGroups: [""]
  resources: [services]
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
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* In Istio's root namespace. */}}
{{- define "layby.controller.rules.root" -}}
# The gate.
- apiGroups: [networking.istio.io]
  resources: [envoyfilters]
  verbs: [list, watch, create, patch]
# Its log's own, where it has no selector any more.
- apiGroups: [networking.istio.io]
  resources: [envoyfilters]
  resourceNames: [{{ .Values.gate.name }}-log]
  verbs: [delete]
{{- if .Values.watchNamespaces }}
# What is for the whole mesh there: Layby's own for a workload would take its place.
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: [list, watch]
{{- end }}
{{- end }}

{{/* In Layby's own. */}}
{{- define "layby.controller.rules.own" -}}
# Who leads.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, watch, create, update]
{{- if .Values.watchNamespaces }}
{{ include "layby.extproc.rules.own" . }}
{{- end }}
{{- end }}

{{- define "layby.uninstall.rules" -}}
- apiGroups: [layby.dev]
  resources: [trafficholds]
  verbs: [list, delete]
{{- if not .Values.watchNamespaces }}
- apiGroups: [layby.dev]
  resources: [holdpolicies]
  verbs: [list, delete]
{{- end }}
- apiGroups: ["*"]
  resources: ["*/scale"]
  verbs: [get, patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list]
{{- end }}

{{- define "layby.uninstall.rules.root" -}}
- apiGroups: [networking.istio.io]
  resources: [envoyfilters]
  resourceNames: [{{ .Values.gate.name }}, {{ .Values.gate.name }}-log]
  verbs: [delete]
{{- end }}

{{/* Add to the rules of a namespace, or of the cluster if that is "": (list RULES NAMESPACE TEXT).
     One namespace may be there for several reasons, and has one role all the same. */}}
{{- define "layby.grant" -}}
{{- $rules := index . 0 -}}{{- $namespace := index . 1 -}}
{{- $_ := set $rules $namespace (printf "%s\n%s" (get $rules $namespace) (index . 2) | trim) -}}
{{- end }}

{{/* Roles and their bindings, by namespace:
     (dict "root" . "name" N "account" A "part" P "rules" RULES "annotations" {}) */}}
{{- define "layby.roles" -}}
{{- range $namespace, $text := .rules }}
---
{{ include "layby.role" (merge (dict "namespace" $namespace "text" $text) $) }}
{{- end }}
{{- end }}

{{- define "layby.role" -}}
{{- $kind := ternary "Role" "ClusterRole" (ne .namespace "") -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata: {{- include "layby.role.metadata" . | nindent 2 }}
rules: {{- .text | nindent 2 }}
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
