{{/* Names are fixed: kinds and webhooks belong to the whole cluster, so there is one installation in it. */}}
{{- define "trustbridge.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{ include "trustbridge.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: trustbridge
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "trustbridge.selector" -}}
app.kubernetes.io/name: trustbridge
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "trustbridge.annotations" -}}
{{- with .root.Values.commonAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end }}

{{- define "trustbridge.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "trustbridge.caConfigMap" -}}
{{- if .Values.outside.caBundle -}}trustbridge-ca{{- else -}}{{ .Values.outside.caConfigMap }}{{- end -}}
{{- end }}

{{/* Pod and container security of every pod of this chart: Pod Security Standard "restricted". */}}
{{- define "trustbridge.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "trustbridge.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "trustbridge.operatorUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:trustbridge-operator
{{- end }}

{{/* What the webhook knows about the sentinel; read strictly. */}}
{{- define "trustbridge.sentinelSettings" -}}
{{- $s := .Values.sentinel -}}
{{- $settings := dict
  "image" (include "trustbridge.image" (dict "root" . "image" $s.image))
  "imagePullPolicy" $s.image.pullPolicy
  "logLevel" $s.logLevel
  "runtimeUrl" $s.runtimeUrl
  "proxyAllow" $s.proxyAllow
  "cpuMilli" (int $s.cpuMilli)
  "memoryMi" (int $s.memoryMi)
  "extraEnv" $s.extraEnv -}}
{{- if include "trustbridge.caConfigMap" . -}}
{{- /* The operator copies it under this name into every protected namespace. */ -}}
{{- $_ := set $settings "caConfigMap" "trustbridge-ca" -}}
{{- end -}}
{{ $settings | toPrettyJson }}
{{- end }}

{{/* Metadata and binding of an admission policy: every one of them denies and leaves a line in the audit log. */}}
{{- define "trustbridge.policyMetadata" -}}
name: {{ .name }}
labels:
  {{- include "trustbridge.labels" (dict "root" .root "component" "policy") | nindent 2 }}
{{- with include "trustbridge.annotations" (dict "root" .root) }}{{ . | nindent 0 }}{{ end }}
{{- end }}

{{- define "trustbridge.policyBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  {{- include "trustbridge.policyMetadata" . | nindent 2 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny, Audit]
{{- end }}

{{/* Literals of CEL. */}}
{{- define "trustbridge.celCreators" -}}
{{ prepend .Values.webhook.extraPodCreators (include "trustbridge.operatorUser" .) | toJson }}
{{- end }}

{{- define "trustbridge.celOperator" -}}
{{ include "trustbridge.operatorUser" . | toJson }}
{{- end }}

{{- define "trustbridge.celSentinelImage" -}}
{{ include "trustbridge.image" (dict "root" . "image" .Values.sentinel.image) | toJson }}
{{- end }}

{{- define "trustbridge.celSchedulers" -}}
{{ .Values.policies.schedulers | toJson }}
{{- end }}

{{- define "trustbridge.celPodStatusWriters" -}}
{{ .Values.policies.podStatusWriters | toJson }}
{{- end }}
