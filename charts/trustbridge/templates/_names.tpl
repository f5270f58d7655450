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
  "leastBandwidth" (int64 $s.leastBandwidth)
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

{{/* What is the same in every sentinel that this version of the chart injects. "=" stands before a value, "<-" before a
field of the pod. */}}
{{- define "trustbridge.fixedWords" -}}
{{ list
  "TB_TARGET_DIR=/var/lib/trustbridge/cipher"
  "TB_PIPE_PATH=/dev/shm/tb/model-pipe"
  "TB_MODEL_DIR=/dev/shm/tb/model"
  "TB_READY_SIGNAL=/dev/shm/tb/ready.signal"
  "TB_PUBLIC_ADDR=0.0.0.0:8000"
  "TB_ADMIN_ADDR=0.0.0.0:8001"
  "TB_AUDIT_PATH=/var/log/trustbridge/audit.jsonl"
  "TB_TLS_CERT_PATH=/etc/trustbridge/tls/tls.crt"
  "TB_TLS_KEY_PATH=/etc/trustbridge/tls/tls.key"
  "TB_TOKENS_PATH=/etc/trustbridge/tokens/tokens"
  "TB_NODE_NAME<-spec.nodeName"
  "TB_POD_NAME<-metadata.name"
  "TB_POD_NAMESPACE<-metadata.namespace"
  "TB_POD_UID<-metadata.uid"
  "TB_LEASE=$(TB_POD_NAMESPACE)/tp-$(TB_POD_NAME)-heartbeat"
  "TB_API_TOKEN_PATH=/etc/trustbridge/api/token"
  "TB_API_CA_PATH=/etc/trustbridge/api/ca.crt"
  | toRawJson }}
{{- end }}

{{/* What settings of the sentinel come to in a pod, as the policy compares it: a list of words, all that do not differ
from pod to pod. */}}
{{- define "trustbridge.sentinelWords" -}}
{{- $contract := list "TB_CONTRACT_ID" "TB_ASSET_ID" "TB_EDC_ENDPOINT" "TB_MANIFEST_SHA256" "TB_TARGET_DIR" "TB_PIPE_PATH" "TB_MODEL_DIR" "TB_READY_SIGNAL" "TB_DELIVERY" "TB_RUNTIME_URL" "TB_PUBLIC_ADDR" "TB_ADMIN_ADDR" "TB_AUDIT_PATH" "TB_TLS_CERT_PATH" "TB_TLS_KEY_PATH" "TB_TOKENS_PATH" "TB_LOG_LEVEL" "TB_NODE_NAME" "TB_POD_NAME" "TB_POD_NAMESPACE" "TB_POD_UID" "TB_LEASE" "TB_API_TOKEN_PATH" "TB_API_CA_PATH" -}}
{{- $words := include "trustbridge.fixedWords" . | fromJsonArray -}}
{{- $words = concat $words (list (printf "image=%s" .image) (printf "TB_LOG_LEVEL=%s" .logLevel) (printf "TB_RUNTIME_URL=%s" .runtimeUrl)) -}}
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
{{ $words | toRawJson }}
{{- end }}

{{/* What settings come to in the sentinels that this version of the chart injects. */}}
{{- define "trustbridge.wordsNow" -}}
{{ include "trustbridge.sentinelWords" (include "trustbridge.sentinelSettings" . | fromJson) }}
{{- end }}

{{/* What tells one state of the webhook's pods from another: the settings, and what they come to. */}}
{{- define "trustbridge.settingsDigest" -}}
{{ printf "%s\n%s" (trim .settings) (trim .words) | sha256sum }}
{{- end }}

{{/* What the last upgrade wrote into the cluster, as a dict; empty where there is none, or no cluster to ask. */}}
{{- define "trustbridge.settingsFound" -}}
{{- $found := lookup "v1" "ConfigMap" .Release.Namespace "trustbridge-sentinel-settings" | default dict -}}
{{ $found.data | default dict | toJson }}
{{- end }}

{{/* Whether every webhook that serves has the settings that were found: "true", or nothing. */}}
{{- define "trustbridge.isReplaced" -}}
{{- $found := .found -}}
{{- $deployment := lookup "apps/v1" "Deployment" .root.Release.Namespace "trustbridge-webhook" | default dict -}}
{{- $digest := include "trustbridge.settingsDigest" (dict "settings" (get $found "sentinel.json") "words" (get $found "words.json")) -}}
{{- $told := dig "spec" "template" "metadata" "annotations" "trustbridge.io/sentinel-settings-sha256" "" $deployment -}}
{{- $status := dig "status" (dict) $deployment -}}
{{- $seen := ge (int (dig "observedGeneration" 0 $status)) (int (dig "metadata" "generation" 1 $deployment)) -}}
{{- $replicas := int (dig "replicas" 0 $status) -}}
{{- $updated := int (dig "updatedReplicas" 0 $status) -}}
{{- $available := int (dig "availableReplicas" 0 $status) -}}
{{- if and (eq $told $digest) $seen (eq $replicas $updated) (eq $replicas $available) -}}true{{- end -}}
{{- end }}

{{/* The words of sentinels that webhooks of before may still inject, a list of lists. An upgrade that changes them adds
those that it finds; all of them stay, through every retry, until each webhook that serves is one of the last upgrade.
Rendered without a cluster there is no "before". No more than eight, so that the policy stays cheap. */}}
{{- define "trustbridge.wordsBefore" -}}
{{- $now := include "trustbridge.wordsNow" . -}}
{{- $found := include "trustbridge.settingsFound" . | fromJson -}}
{{- $all := list -}}
{{- with get $found "words.json" -}}
{{- $all = append $all (fromJsonArray . | toRawJson) -}}
{{- else -}}
{{- with get $found "sentinel.json" -}}
{{- $all = append $all (include "trustbridge.sentinelWords" (fromJson .)) -}}
{{- end -}}
{{- end -}}
{{- if not (include "trustbridge.isReplaced" (dict "root" . "found" $found)) -}}
{{- range get $found "before.json" | default "[]" | fromJsonArray -}}
{{- $all = append $all (toRawJson .) -}}
{{- end -}}
{{- end -}}
{{- $before := without ($all | uniq) $now -}}
{{- if gt (len $before) 8 -}}{{- $before = slice $before 0 8 -}}{{- end -}}
[{{ $before | join "," }}]
{{- end }}

{{/* Every list of words that the policy accepts. */}}
{{- define "trustbridge.celSentinels" -}}
{{- $all := list (include "trustbridge.wordsNow" .) -}}
{{- range include "trustbridge.wordsBefore" . | fromJsonArray -}}
{{- $all = append $all (toRawJson .) -}}
{{- end -}}
[{{ $all | join "," }}]
{{- end }}

{{- define "trustbridge.celSchedulers" -}}
{{ .Values.policies.schedulers | toJson }}
{{- end }}

{{- define "trustbridge.celPodStatusWriters" -}}
{{ .Values.policies.podStatusWriters | toJson }}
{{- end }}
