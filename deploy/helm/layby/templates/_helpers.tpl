{{- define "layby.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "layby" .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-layby" .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "layby.extproc" -}}{{ include "layby.fullname" . }}-extproc{{- end }}
{{- define "layby.controller" -}}{{ include "layby.fullname" . }}-controller{{- end }}
{{- define "layby.uninstall" -}}{{ include "layby.fullname" . }}-uninstall{{- end }}

{{/* Whether the chart makes the certificates by which KEDA and hold servers know one another. */}}
{{- define "layby.keda.generates" -}}
{{- with .Values.keda }}{{ if and .enabled .tls.generate (not .tls.existingSecret) }}yes{{ end }}{{ end }}
{{- end }}

{{/* The Secret that hold servers show KEDA; empty for plain text. */}}
{{- define "layby.keda.secret" -}}
{{- if include "layby.keda.generates" . -}}
{{ include "layby.fullname" . }}-keda-server
{{- else -}}
{{ .Values.keda.tls.existingSecret }}
{{- end -}}
{{- end }}

{{/* The Secret by whose token hold servers and controllers know one another; empty for none. */}}
{{- define "layby.feed.secret" -}}
{{- with .Values.feed.token -}}
{{- if .existingSecret -}}
{{ .existingSecret }}
{{- else if .generate -}}
{{ include "layby.fullname" $ }}-feed
{{- end -}}
{{- end -}}
{{- end }}

{{/* The ClusterTriggerAuthentication in every trigger; empty for none. */}}
{{- define "layby.keda.authentication" -}}
{{- if include "layby.keda.generates" . -}}
{{ include "layby.fullname" . }}-keda
{{- else -}}
{{ .Values.keda.tls.authentication }}
{{- end -}}
{{- end }}

{{/* Of a part, as (list . "extproc"). */}}
{{- define "layby.account" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
{{- (index $root.Values $part).serviceAccount.name | default (include (printf "layby.%s" $part) $root) -}}
{{- end }}

{{- define "layby.labels" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
app.kubernetes.io/name: {{ include (printf "layby.%s" $part) $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/part-of: layby
app.kubernetes.io/component: {{ $part }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A Deployment's selector cannot be changed: nothing in it may. */}}
{{- define "layby.selector" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
app.kubernetes.io/name: {{ include (printf "layby.%s" $part) $root }}
{{- end }}

{{- define "layby.podLabels" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
{{ include "layby.labels" . }}
{{- if $root.Values.istio.inject }}
sidecar.istio.io/inject: "true"
istio.io/rev: {{ $root.Values.istio.inject }}
{{- else }}
sidecar.istio.io/inject: "false"
{{- end }}
{{- with (index $root.Values $part).podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "layby.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "layby.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "layby.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "layby.gracePeriod" -}}
{{- with .Values.extproc -}}
{{- if kindIs "invalid" .terminationGracePeriodSeconds -}}
{{- add .preStopSeconds (ceil .drainSeconds) 5 -}}
{{- else -}}
{{- .terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Where pods of a part may run, as (list . "extproc"). */}}
{{- define "layby.placement" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
{{- $own := index $root.Values $part -}}
{{- with $own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $own.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if $own.topologySpreadConstraints }}
{{- toYaml $own.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "layby.selector" (list $root $part) | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end }}
