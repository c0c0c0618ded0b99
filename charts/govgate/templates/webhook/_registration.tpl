{{/* As it is applied, and as it is given to the servers, which watch it. */}}
{{- define "govgate.registration" -}}
{{- $groups := list "drift" "policy" "provenance" "secrets" }}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: {{ include "govgate.fullname" . }}
  labels:
    {{- include "govgate.labels" . | nindent 4 }}
  {{- if eq .Values.tls.mode "cert-manager" }}
  annotations:
    cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "govgate.fullname" . }}
  {{- end }}
webhooks:
{{- range $policy := tuple "Fail" "Ignore" }}
{{- $chosen := list }}
{{- range $groups }}
{{- if eq (get (default dict $.Values.webhook.failurePolicyOf) . | default $.Values.webhook.failurePolicy) $policy }}
{{- $chosen = append $chosen . }}
{{- end }}
{{- end }}
{{- if $chosen }}
{{- $some := lt (len $chosen) (len $groups) }}
  - name: {{ ternary (join "-" $chosen) "validate" $some }}.govgate.dev
    admissionReviewVersions: [v1]
    clientConfig:
      service:
        name: {{ include "govgate.fullname" $ }}
        namespace: {{ $.Release.Namespace }}
        path: /v1/validate{{ if $some }}/{{ join "." $chosen }}{{ end }}
        port: 443
      {{- if eq $.Values.tls.mode "existing" }}
      caBundle: {{ required "tls.existing.ca: with tls.mode existing, give the authority in PEM: API servers trust no other" $.Values.tls.existing.ca | b64enc }}
      {{- end }}
    rules:
      - {apiGroups: ["*"], apiVersions: ["*"], operations: [CREATE, UPDATE, DELETE], resources: ["*"], scope: "*"}
      - apiGroups: ["*"]
        apiVersions: ["*"]
        operations: [UPDATE]
        resources:
          - "*/scale"
          - pods/ephemeralcontainers
          - pods/resize
          - policywaivers/status
          - clusterpolicywaivers/status
          - breakglasses/status
        scope: "*"
    matchPolicy: Equivalent
    failurePolicy: {{ $policy }}
    sideEffects: NoneOnDryRun
    timeoutSeconds: {{ $.Values.webhook.timeoutSeconds }}
    namespaceSelector:
      matchExpressions:
        - key: kubernetes.io/metadata.name
          operator: NotIn
          values: {{ prepend (default list $.Values.webhook.excludedNamespaces) $.Release.Namespace | toJson }}
    matchConditions:
      {{- include "govgate.conditions" $ | nindent 6 }}
      {{- if eq (join "." $chosen) "provenance" }}
      {{- include "govgate.provenanceCondition" $ | nindent 6 }}
      {{- end }}
{{- end }}
{{- end }}
{{- end }}
