{{- define "govgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "govgate.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "govgate.name" .) | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "govgate.selector" -}}
app.kubernetes.io/name: {{ include "govgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "govgate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "govgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: govgate
{{- end }}

{{- define "govgate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{- define "govgate.webhookAccount" -}}
{{- default (printf "%s-webhook" (include "govgate.fullname" .)) .Values.serviceAccount.webhook }}
{{- end }}

{{- define "govgate.controllerAccount" -}}
{{- default (printf "%s-controller" (include "govgate.fullname" .)) .Values.serviceAccount.controller }}
{{- end }}

{{- define "govgate.tlsSecret" -}}
{{- if eq .Values.tls.mode "existing" -}}
{{ required "tls.existing.secretName: with tls.mode existing, name the Secret that holds tls.crt and tls.key" .Values.tls.existing.secretName }}
{{- else -}}
{{ include "govgate.fullname" . }}-tls
{{- end -}}
{{- end }}

{{/* What the chart decides goes over what the user says, so that Pods, probes and Services fit the configuration. */}}
{{- define "govgate.config" -}}
{{- $fixed := dict
  "apiVersion" "govgate.dev/v1alpha1"
  "kind" "Configuration"
  "server" (dict
    "host" "0.0.0.0" "port" (int .Values.webhook.port) "healthHost" "0.0.0.0" "healthPort" (int .Values.webhook.healthPort)
    "tls" (dict "certFile" "/etc/govgate/tls/tls.crt" "keyFile" "/etc/govgate/tls/tls.key"))
  "cluster" (dict "connect" "in-cluster" "ownNamespace" .Release.Namespace)
  "controller" (dict "healthHost" "0.0.0.0" "healthPort" (int .Values.controller.healthPort)
    "election" (dict "name" (printf "%s-controller" (include "govgate.fullname" .))))
  "audit" (dict "stateDir" "/var/lib/govgate")
-}}
{{- if eq .Values.tls.mode "built-in" }}
{{- $_ := set $fixed.controller "certificates" (dict
  "enabled" true
  "secretName" (include "govgate.tlsSecret" .)
  "serviceName" (include "govgate.fullname" .)
  "webhookConfigurations" (ternary (list (include "govgate.fullname" .)) (list) .Values.webhook.register)) }}
{{- end }}
{{- if .Values.webhook.register }}
{{- $_ := set $fixed.server "registration" (dict
  "name" (include "govgate.fullname" .)
  "file" "/etc/govgate/config/registration.yaml"
  "service" (include "govgate.fullname" .)
  "restore" .Values.webhook.restoreRegistration) }}
{{- end }}
{{- $chosen := hasKey (dig "controller" "scan" (dict) .Values.config) "exclude" }}
{{- if and .Values.controller.enabled (include "govgate.scan" .) (not $chosen) (not (include "govgate.secretsScanned" .)) }}
{{- $_ := set $fixed.controller "scan" (dict "exclude" (list "Event" "events.k8s.io/Event" "coordination.k8s.io/Lease" "openreports.io/*" "wgpolicyk8s.io/*" "Secret")) }}
{{- end }}
{{- mustMergeOverwrite (deepCopy .Values.config) $fixed | toYaml }}
{{- end }}

{{/* What the configuration says, where several templates ask: "true" for each of the controller's loops that it starts. */}}
{{- define "govgate.scan" -}}
{{- $policy := dig "policy" (dict) .Values.config }}
{{- $rules := or (dig "sources" (list "builtin:gitops") $policy) (dig "opa" "decisions" (list) $policy) }}
{{- if and (dig "controller" "scan" "enabled" true .Values.config) $rules }}true{{ end }}
{{- end }}

{{/* Whether the controller may list all Secrets. Where it may not, no scan would be complete that asks for them. */}}
{{- define "govgate.secretsScanned" -}}
{{- include "govgate.external" . }}
{{- range .Values.rbac.extraControllerRules }}
{{- if or (has "secrets" (default list .resources)) (has "*" (default list .resources)) }}true{{ end }}
{{- end }}
{{- end }}

{{- define "govgate.reports" -}}
{{- if dig "controller" "scan" "reports" "enabled" true .Values.config }}{{ include "govgate.scan" . }}{{ end }}
{{- end }}

{{- define "govgate.sealed" -}}
{{- if dig "controller" "sealed" "namespaces" (list) .Values.config }}true{{ end }}
{{- end }}

{{- define "govgate.sealingEndpoints" -}}
{{- if dig "controller" "sealed" "endpoints" "enabled" false .Values.config }}true{{ end }}
{{- end }}

{{- define "govgate.keyNamespace" -}}
{{- dig "controller" "sealed" "keyNamespace" "" .Values.config | default .Release.Namespace }}
{{- end }}

{{- define "govgate.external" -}}
{{- $external := dig "controller" "external" (dict) .Values.config }}
{{- if or (get $external "enabled") (get $external "namespaces") }}true{{ end }}
{{- end }}

{{- define "govgate.intakePort" -}}
{{- if and (include "govgate.external" .) (dig "controller" "external" "intake" "enabled" false .Values.config) }}
{{- dig "controller" "external" "intake" "port" 8082 .Values.config | int }}
{{- end }}
{{- end }}

{{- define "govgate.shards" -}}
{{- ternary (dig "controller" "external" "shards" 1 .Values.config | int) 1 (eq (include "govgate.external" .) "true") }}
{{- end }}

{{- define "govgate.controllerKind" -}}
{{- $numbered := and (gt (include "govgate.shards" . | int) 1) (lt (dig "controller" "external" "shard" -1 .Values.config | int) 0) }}
{{- ternary "StatefulSet" "Deployment" (or .Values.controller.persistence.enabled $numbered) }}
{{- end }}

{{/*
Settings that a running process does not take over: those that docs/configuration.md marks. A change of one of them
restarts the Pods; of any other it does not, since that is in force by itself.
*/}}
{{- define "govgate.restartingWebhook" -}}
{{- $config := include "govgate.config" . | fromYaml }}
{{- pick $config.server "host" "port" "healthHost" "healthPort" "workers" "registration" | dict "audit" $config.audit "server" | toJson | sha256sum }}
{{- end }}

{{- define "govgate.restartingController" -}}
{{- $config := include "govgate.config" . | fromYaml }}
{{- pick $config.controller "healthHost" "healthPort" | toJson | sha256sum }}
{{- end }}

{{/* Of entries [{namespace, names}] the names by namespace: two entries may be about one. */}}
{{- define "govgate.named" -}}
{{- $named := dict }}
{{- range . }}
{{- $_ := set $named .namespace (concat (get $named .namespace | default list) .names | uniq) }}
{{- end }}
{{- toYaml $named }}
{{- end }}

{{- define "govgate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "govgate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "govgate.spread" -}}
{{- $context := index . 0 }}{{ $component := index . 1 }}
{{- range tuple "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "govgate.selector" $context | nindent 6 }}
      app.kubernetes.io/component: {{ $component }}
{{- end }}
{{- end }}
