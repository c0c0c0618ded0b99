{{- define "govgate.webhookPod" -}}
{{- $drain := dig "server" "drainSeconds" 5 .Values.config }}
{{- $grace := dig "server" "graceSeconds" 20 .Values.config }}
metadata:
  labels:
    {{- include "govgate.labels" . | nindent 4 }}
    app.kubernetes.io/component: webhook
    {{- with .Values.webhook.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/restarting-settings: {{ include "govgate.restartingWebhook" . }}
    {{- with .Values.webhook.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "govgate.webhookAccount" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.webhook.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  # Longer than a drain takes: what is on its way is answered, and the log is flushed.
  terminationGracePeriodSeconds: {{ add $drain $grace 15 | int }}
  securityContext:
    {{- include "govgate.podSecurity" . | nindent 4 }}
  {{- if .Values.webhook.shipLog.enabled }}
  initContainers:
    # There is a log before there is a server: the container below reads it.
    - name: log-init
      args: [audit, init]
      {{- include "govgate.logContainer" . | nindent 6 }}
    # Ends after the server, so that its last records are told, too.
    - name: log
      args: [audit, tail, --follow, --lines, "1000", --output, json]
      restartPolicy: Always
      {{- include "govgate.logContainer" . | nindent 6 }}
  {{- end }}
  containers:
    - name: govgate
      image: {{ include "govgate.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/govgate/config/config.yaml]
      env:
        - {name: TMPDIR, value: /tmp}
        # For the commands that are run in the Pod: kubectl exec … -- govgate audit report.
        - {name: GOVGATE_CONFIG, value: /etc/govgate/config/config.yaml}
        {{- with .Values.webhook.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - {name: https, containerPort: {{ .Values.webhook.port }}}
        - {name: health, containerPort: {{ .Values.webhook.healthPort }}}
      startupProbe:
        httpGet: {path: /readyz, port: health}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /livez, port: health}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: health}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 1
      resources:
        {{- toYaml .Values.webhook.resources | nindent 8 }}
      securityContext:
        {{- include "govgate.containerSecurity" . | nindent 8 }}
      volumeMounts:
        # The folder, not the file: a file mounted by itself never changes.
        - {name: config, mountPath: /etc/govgate/config, readOnly: true}
        - {name: tls, mountPath: /etc/govgate/tls, readOnly: true}
        - {name: state, mountPath: /var/lib/govgate}
        - {name: tmp, mountPath: /tmp}
        {{- with .Values.webhook.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- if .Values.opa.enabled }}
    - name: opa
      image: {{ .Values.opa.image }}
      args:
        {{- toYaml .Values.opa.args | nindent 8 }}
      resources:
        {{- toYaml .Values.opa.resources | nindent 8 }}
      securityContext:
        {{- include "govgate.containerSecurity" . | nindent 8 }}
    {{- end }}
    {{- with .Values.webhook.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "govgate.fullname" . }}}
    - name: tls
      # Not optional: a Pod waits for its certificate.
      secret: {secretName: {{ include "govgate.tlsSecret" . }}, defaultMode: 0440}
    {{- if not .Values.webhook.persistence.enabled }}
    - name: state
      emptyDir: {sizeLimit: {{ .Values.webhook.persistence.size }}}
    {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: 256Mi}
    {{- with .Values.webhook.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  topologySpreadConstraints:
    {{- include "govgate.spread" (tuple . "webhook") | trim | nindent 4 }}
  {{- with .Values.webhook.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.webhook.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.webhook.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "govgate.logContainer" -}}
image: {{ include "govgate.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - {name: TMPDIR, value: /tmp}
  - {name: GOVGATE_CONFIG, value: /etc/govgate/config/config.yaml}
resources:
  {{- toYaml .Values.webhook.shipLog.resources | nindent 2 }}
securityContext:
  {{- include "govgate.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /etc/govgate/config, readOnly: true}
  - {name: state, mountPath: /var/lib/govgate}
  - {name: tmp, mountPath: /tmp}
{{- end }}
