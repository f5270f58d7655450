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
  "runtimeArgs" $s.runtimeArgs
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

{{/* What settings of the sentinel come to in a pod, as the policy compares it: a list of words. */}}
{{- define "trustbridge.sentinelWords" -}}
{{- $contract := list "TB_CONTRACT_ID" "TB_ASSET_ID" "TB_EDC_ENDPOINT" "TB_MANIFEST_SHA256" "TB_TARGET_DIR" "TB_PIPE_PATH" "TB_MODEL_DIR" "TB_READY_SIGNAL" "TB_DELIVERY" "TB_RUNTIME_URL" "TB_PUBLIC_ADDR" "TB_ADMIN_ADDR" "TB_AUDIT_PATH" "TB_LOG_LEVEL" "TB_NODE_NAME" "TB_POD_NAME" "TB_POD_NAMESPACE" "TB_POD_UID" -}}
{{- $words := list (printf "image=%s" .image) (printf "TB_LOG_LEVEL=%s" .logLevel) (printf "TB_RUNTIME_URL=%s" .runtimeUrl) -}}
{{- if .proxyAllow -}}
{{- $contract = append $contract "TB_PROXY_ALLOW" -}}
{{- $words = append $words (printf "TB_PROXY_ALLOW=%s" (join "," .proxyAllow)) -}}
{{- end -}}
{{- if .caConfigMap -}}
{{- $contract = append $contract "TB_CA_PATH" -}}
{{- $words = append $words "TB_CA_PATH=/etc/trustbridge/ca/ca.crt" -}}
{{- end -}}
{{- range .extraEnv -}}
{{- if not (has .name $contract) -}}
{{- $contract = append $contract .name -}}
{{- $words = append $words (printf "%s=%s" .name .value) -}}
{{- end -}}
{{- end -}}
{{ $words | toJson }}
{{- end }}

{{/* The settings, and those before an upgrade that changes them. Rendered without a cluster there is no "before". */}}
{{- define "trustbridge.celSentinels" -}}
{{- $now := include "trustbridge.sentinelWords" (include "trustbridge.sentinelSettings" . | fromJson) -}}
{{- $all := list $now -}}
{{- $found := lookup "v1" "ConfigMap" .Release.Namespace "trustbridge-sentinel-settings" -}}
{{- with dig "data" "sentinel.json" "" ($found | default dict) -}}
{{- $all = append $all (include "trustbridge.sentinelWords" (fromJson .)) -}}
{{- end -}}
[{{ $all | uniq | join "," }}]
{{- end }}

{{- define "trustbridge.celSchedulers" -}}
{{ .Values.policies.schedulers | toJson }}
{{- end }}

{{- define "trustbridge.celPodStatusWriters" -}}
{{ .Values.policies.podStatusWriters | toJson }}
{{- end }}
