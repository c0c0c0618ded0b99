{{/* What objects are judged by, at admission and in the background scan. No Secrets. */}}
{{- define "govgate.judgingRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
- apiGroups: [govgate.dev]
  resources: [policywaivers, clusterpolicywaivers, trustpolicies, breakglasses]
  verbs: [list, watch]
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [helmrepositories, helmcharts]
  verbs: [list, watch]
{{- include "govgate.inventoryRules" . }}
{{- if has "cluster:gatekeeper" (dig "policy" "sources" (list) .Values.config) }}
- apiGroups: [templates.gatekeeper.sh, constraints.gatekeeper.sh, expansion.gatekeeper.sh]
  resources: ["*"]
  verbs: [list, watch]
{{- end }}
{{- end }}

{{/* Who manages what: of a request, and of nothing that merely stands in the cluster. */}}
{{- define "govgate.ownerRules" -}}
- apiGroups: [kustomize.toolkit.fluxcd.io]
  resources: [kustomizations]
  verbs: [get, list, watch]
- apiGroups: [helm.toolkit.fluxcd.io]
  resources: [helmreleases]
  verbs: [get, list, watch]
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [gitrepositories, ocirepositories, helmrepositories, buckets, helmcharts]
  verbs: [get, list, watch]
- apiGroups: [argoproj.io]
  resources: [applications, appprojects]
  verbs: [get, list, watch]
- apiGroups: [configsync.gke.io]
  resources: [rootsyncs, reposyncs]
  verbs: [get, list, watch]
{{- $drift := dig "drift" (dict) .Values.config }}
{{- if ne (dig "pulumi" "mode" "disabled" $drift | toString) "disabled" }}
- apiGroups: [pulumi.com]
  resources: [stacks]
  verbs: [get, list, watch]
{{- end }}
{{- if ne (dig "tofuController" "mode" "disabled" $drift | toString) "disabled" }}
- apiGroups: [infra.contrib.fluxcd.io]
  resources: [terraforms]
  verbs: [get, list, watch]
{{- end }}
{{- end }}

{{/*
Objects that rules see beside the one they judge: until all were read, nothing is ready. A kind does not say how its
resource is called; these are the ways of English, and the name of a resource that there is not gives no right.
*/}}
{{- define "govgate.inventoryRules" -}}
{{- $sources := dig "policy" "sources" (list) .Values.config }}
{{- $kinds := dig "policy" "inventory" (list) .Values.config }}
{{- $all := has "builtin:all" $sources }}
{{- if or $all (has "builtin:network" $sources) }}{{ $kinds = append $kinds "networking.k8s.io/v1/Ingress" }}{{ end }}
{{- if or $all (has "builtin:reliability" $sources) }}{{ $kinds = append $kinds "policy/v1/PodDisruptionBudget" }}{{ end }}
{{- range $kind := without (uniq $kinds) "v1/Secret" }}
{{- $parts := splitList "/" $kind }}
{{- $name := last $parts | lower }}
{{- $plurals := list $name (printf "%ss" $name) (printf "%ses" $name) }}
{{- if hasSuffix "y" $name }}{{ $plurals = append $plurals (printf "%sies" (trimSuffix "y" $name)) }}{{ end }}
- apiGroups: [{{ ternary (first $parts) "" (gt (len $parts) 2) | quote }}]
  resources: {{ toJson $plurals }}
  verbs: [list, watch]
{{- end }}
{{- end }}

{{- define "govgate.scanRules" -}}
- apiGroups: [""]
  resources:
    - bindings
    - configmaps
    - endpoints
    - limitranges
    - nodes
    - persistentvolumeclaims
    - persistentvolumes
    - pods
    - podtemplates
    - replicationcontrollers
    - resourcequotas
    - serviceaccounts
    - services
  verbs: [get, list, watch]
{{- with .Values.rbac.scanGroups }}
- apiGroups:
    {{- toYaml . | nindent 4 }}
  resources: ["*"]
  verbs: [get, list, watch]
{{- end }}
{{- end }}

{{/* Of the controller in all namespaces: for each loop that the configuration starts, what its page of the docs lists. */}}
{{- define "govgate.controllerRules" -}}
{{- if include "govgate.scan" . }}
{{- include "govgate.judgingRules" . }}
{{ include "govgate.scanRules" . }}
{{- end }}
{{- if include "govgate.reports" . }}
- apiGroups: [openreports.io, wgpolicyk8s.io]
  resources: [reports, clusterreports, policyreports, clusterpolicyreports]
  verbs: [list, create, patch, delete]
{{- end }}
{{- if and (eq .Values.tls.mode "built-in") .Values.webhook.register }}
# Its own registration alone: the authority of the certificates it makes goes into it.
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingwebhookconfigurations]
  resourceNames: [{{ include "govgate.fullname" . }}]
  verbs: [get, update]
{{- end }}
{{- with .Values.rbac.extraControllerRules }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* In its own namespace. */}}
{{- define "govgate.controllerOwnRules" -}}
{{- if dig "controller" "election" "enabled" true .Values.config }}
{{- $name := printf "%s-controller" (include "govgate.fullname" .) }}
# The Lease's name cannot limit who may create it; all else is limited to its own: one, and one of each shard.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames:
    - {{ $name }}
    {{- $shards := include "govgate.shards" . | int }}
    {{- if gt $shards 1 }}
    {{- range until $shards }}
    - {{ $name }}-external-{{ . }}
    {{- end }}
    {{- end }}
  verbs: [get, update]
{{- end }}
{{- if eq .Values.tls.mode "built-in" }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "govgate.tlsSecret" . }}, {{ include "govgate.tlsSecret" . }}-authority]
  verbs: [get, update]
{{- end }}
{{- end }}
