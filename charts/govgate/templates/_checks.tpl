{{- define "govgate.checkNames" -}}
{{- $full := include "govgate.fullname" . }}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" $full) }}
{{- fail (printf "fullnameOverride: %q is no name of a Service: lower-case letters, digits and \"-\", a letter first" $full) }}
{{- end }}
{{- if not (regexMatch "^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$" (include "govgate.name" .)) }}
{{- fail (printf "nameOverride: %q is no value of a label" .Values.nameOverride) }}
{{- end }}
{{- end }}

{{/* A quantity as a number. */}}
{{- define "govgate.amount" -}}
{{- $text := toString . }}
{{- $units := dict "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 }}
{{- $unit := regexFind "(m|k|M|G|T|P|E|[KMGTPE]i)$" $text }}
{{- if $unit }}{{ mulf (trimSuffix $unit $text | float64) (get $units $unit) | printf "%.3f" }}{{ else }}{{ float64 $text | printf "%.3f" }}{{ end }}
{{- end }}

{{/* What is added to Pods stands beside what the chart puts there: nothing is said twice. */}}
{{- define "govgate.checkAdded" -}}
{{- $ours := include "govgate.labels" . | fromYaml | keys }}
{{- range $part, $values := dict "webhook" .Values.webhook "controller" .Values.controller }}
{{- range $label, $_ := default dict $values.podLabels }}
{{- if has $label (append $ours "app.kubernetes.io/component") }}
{{- fail (printf "%s.podLabels: the chart sets %s itself%s" $part $label (ternary ": use nameOverride" "" (eq $label "app.kubernetes.io/name"))) }}
{{- end }}
{{- end }}
{{- if hasKey (default dict $values.podAnnotations) "checksum/restarting-settings" }}
{{- fail (printf "%s.podAnnotations: the chart sets checksum/restarting-settings itself" $part) }}
{{- end }}
{{- $taken := dict "extraEnv" (list "TMPDIR" "GOVGATE_CONFIG") "extraVolumes" (list "config" "state" "tmp") }}
{{- if eq $part "webhook" }}
{{- $_ := set $taken "extraVolumes" (list "config" "state" "tmp" "tls") }}
{{- $_ := set $taken "extraContainers" (concat (list "govgate") (ternary (list "opa") (list) $.Values.opa.enabled) (ternary (list "log" "log-init") (list) $.Values.webhook.shipLog.enabled)) }}
{{- end }}
{{- range $where, $names := $taken }}
{{- range default list (get $values $where) }}
{{- if has .name $names }}
{{- fail (printf "%s.%s: %s is there already: the chart has one of that name" $part $where .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What is said for a mode that is not chosen would do nothing. */}}
{{- define "govgate.checkTls" -}}
{{- $tls := .Values.tls }}
{{- if and (ne $tls.mode "existing") (or $tls.existing.secretName $tls.existing.ca) }}
{{- fail (printf "tls.existing: is not used with tls.mode %s: set tls.mode to existing, or leave it away" $tls.mode) }}
{{- end }}
{{- if and (ne $tls.mode "cert-manager") $tls.certManager.issuerRef }}
{{- fail (printf "tls.certManager.issuerRef: is not used with tls.mode %s: set tls.mode to cert-manager, or leave it away" $tls.mode) }}
{{- end }}
{{- if and $tls.certManager.issuerRef (not (get $tls.certManager.issuerRef "name")) }}
{{- fail "tls.certManager.issuerRef.name: name the issuer" }}
{{- end }}
{{- if and (eq $tls.mode "existing") $tls.existing.ca (not (contains "-----BEGIN CERTIFICATE-----" $tls.existing.ca)) }}
{{- fail "tls.existing.ca: is no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----" }}
{{- end }}
{{- end }}

{{- define "govgate.checkQuantities" -}}
{{- $held := dict "webhook" .Values.webhook.resources "webhook.shipLog" .Values.webhook.shipLog.resources "controller" .Values.controller.resources "opa" .Values.opa.resources }}
{{- range $where, $resources := $held }}
{{- range $which := list "requests" "limits" }}
{{- range $name, $amount := get $resources $which | default dict }}
{{- if not (regexMatch "^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?$" (toString $amount)) }}
{{- fail (printf "%s.resources.%s.%s: %q is no quantity: write 512Mi, 1Gi, 250m or 2" $where $which $name (toString $amount)) }}
{{- end }}
{{- end }}
{{- end }}
{{- $limits := get $resources "limits" | default dict }}
{{- range $name, $asked := get $resources "requests" | default dict }}
{{- if and (hasKey $limits $name) (gt (include "govgate.amount" $asked | float64) (include "govgate.amount" (get $limits $name) | float64)) }}
{{- fail (printf "%s.resources.limits.%s: %s is less than what requests asks for: %s" $where $name (toString (get $limits $name)) (toString $asked)) }}
{{- end }}
{{- end }}
{{- end }}
{{- $issued := .Values.tls.certManager }}
{{- range $name := list "duration" "renewBefore" }}
{{- if not (regexMatch "^([0-9]+(\\.[0-9]+)?(h|m|s|ms|us|ns))+$" (get $issued $name)) }}
{{- fail (printf "tls.certManager.%s: %q is no duration that cert-manager reads: write hours, as in 2160h for 90 days" $name (get $issued $name)) }}
{{- end }}
{{- end }}
{{- if and (regexMatch "^[0-9]+h$" $issued.duration) (regexMatch "^[0-9]+h$" $issued.renewBefore) }}
{{- if ge (trimSuffix "h" $issued.renewBefore | int) (trimSuffix "h" $issued.duration | int) }}
{{- fail "tls.certManager.renewBefore: must be less than duration" }}
{{- end }}
{{- end }}
{{- if and (regexMatch "^[0-9]+m$" $issued.duration) (lt (trimSuffix "m" $issued.duration | int) 60) }}
{{- fail (printf "tls.certManager.duration: %s is too short: cert-manager wants an hour at least" $issued.duration) }}
{{- end }}
{{- if not (regexMatch "^([0-9]+(y|w|d|h|m|s|ms))+$" .Values.metrics.serviceMonitor.interval) }}
{{- fail (printf "metrics.serviceMonitor.interval: %q is no duration that Prometheus reads: write 30s" .Values.metrics.serviceMonitor.interval) }}
{{- end }}
{{- end }}

{{/* Containers of one Pod share its ports. */}}
{{- define "govgate.checkPorts" -}}
{{- if eq (int .Values.webhook.port) (int .Values.webhook.healthPort) }}
{{- fail "webhook.healthPort: must differ from webhook.port" }}
{{- end }}
{{- $taken := dict (toString .Values.controller.healthPort) "controller.healthPort" }}
{{- $sealed := dig "controller" "sealed" "endpoints" (dict) .Values.config }}
{{- $intake := dig "controller" "external" "intake" (dict) .Values.config }}
{{- $others := dict }}
{{- if get $sealed "enabled" }}{{ $_ := set $others "config.controller.sealed.endpoints.port" (dig "port" 8080 $sealed | int | toString) }}{{ end }}
{{- if get $intake "enabled" }}{{ $_ := set $others "config.controller.external.intake.port" (dig "port" 8082 $intake | int | toString) }}{{ end }}
{{- range $where, $port := $others }}
{{- if eq $port "0" }}
{{- fail (printf "%s: must be said: Pod, Service and NetworkPolicy name it" $where) }}
{{- end }}
{{- if hasKey $taken $port }}
{{- fail (printf "%s: must differ from %s" $where (get $taken $port)) }}
{{- end }}
{{- $_ := set $taken $port $where }}
{{- end }}
{{- end }}

{{/* Of a path in config "true" where somebody said something, be it 0 or false; null and {} say nothing. */}}
{{- define "govgate.said" -}}
{{- $at := index . 0 }}
{{- range splitList "." (index . 1) }}
{{- $held := ternary $at dict (kindIs "map" $at) }}
{{- $at = ternary (get $held .) nil (hasKey $held .) }}
{{- end }}
{{- if not (or (kindIs "invalid" $at) (and (kindIs "map" $at) (not $at))) }}true{{ end }}
{{- end }}

{{/* What the chart writes into the configuration itself: said there, it would be written over. */}}
{{- define "govgate.checkOwn" -}}
{{- $names := ": it is named after the release; fullnameOverride names all of it" }}
{{- $fixed := ": what the chart makes needs it so" }}
{{- $own := dict
  "apiVersion" $fixed "kind" $fixed "cluster" $fixed "audit.stateDir" $fixed
  "server.host" $fixed "server.healthHost" $fixed "controller.healthHost" $fixed
  "server.port" ": use webhook.port" "server.healthPort" ": use webhook.healthPort" "controller.healthPort" ": use controller.healthPort"
  "server.tls.certFile" ": use tls.mode and tls.existing.secretName" "server.tls.keyFile" ": use tls.mode and tls.existing.secretName"
  "controller.election.name" $names "controller.certificates.enabled" ": use tls.mode"
  "controller.certificates.secretName" $names "controller.certificates.serviceName" $names
  "controller.certificates.webhookConfigurations" ": use webhook.register"
  "server.registration.restore" ": use webhook.restoreRegistration"
-}}
{{- if .Values.webhook.register }}
{{- $_ := merge $own (dict
  "server.registration.name" $names "server.registration.service" $names
  "server.registration.file" ": it is the one that is applied; webhook.register: false leaves both to you") }}
{{- end }}
{{- range $path, $instead := $own }}
{{- if include "govgate.said" (tuple $.Values.config $path) }}
{{- fail (printf "config.%s: the chart sets this itself%s" $path $instead) }}
{{- end }}
{{- end }}
{{- if and (not .Values.webhook.register) (ne .Values.webhook.restoreRegistration "never") }}
{{- fail (printf "webhook.restoreRegistration: %s puts back what webhook.register: false does not make: use never, or webhook.register: true" .Values.webhook.restoreRegistration) }}
{{- end }}
{{- end }}

{{/* What `govgate config validate` says beyond the schema. */}}
{{- define "govgate.checkConfig" -}}
{{- $config := .Values.config }}
{{- if and (dig "optOut" "namespaces" (list) $config) (not (dig "optOut" "reason" "" $config)) }}
{{- fail "config.optOut.reason: say why; it is written into every record there" }}
{{- end }}
{{- if and (dig "server" "tls" "clientNames" (list) $config) (not (dig "server" "tls" "clientCaFile" "" $config)) }}
{{- fail "config.server.tls.clientNames: needs clientCaFile" }}
{{- end }}
{{- $asked := or (eq (dig "policy" "engine" "embedded" $config) "opa") (dig "policy" "opa" "decisions" (list) $config) }}
{{- if and .Values.opa.enabled (not $asked) }}
{{- fail "opa.enabled: nobody asks it: set config.policy.engine to opa, or config.policy.opa.decisions" }}
{{- end }}
{{- if and $asked (not (dig "policy" "opa" "url" "" $config)) }}
{{- fail "config.policy.opa.url: name the OPA server; http://127.0.0.1:8181 is the one that opa.enabled puts beside govgate" }}
{{- end }}
{{- $url := dig "policy" "opa" "url" "" $config }}
{{- if and $url (not (regexMatch "^(https?://[^/?#@]+/*|unix:///.+)$" $url)) }}
{{- fail (printf "config.policy.opa.url: %q is none that can be asked: https://, http:// with a host and a port alone, or unix:///path; no credentials" $url) }}
{{- end }}
{{- if and (hasPrefix "http://" $url) (or (dig "policy" "opa" "caFile" "" $config) (dig "policy" "opa" "certFile" "" $config)) }}
{{- fail "config.policy.opa.url: certificates need https://" }}
{{- end }}
{{- if ne (not (dig "policy" "opa" "certFile" "" $config)) (not (dig "policy" "opa" "keyFile" "" $config)) }}
{{- fail "config.policy.opa: certFile and keyFile belong together" }}
{{- end }}
{{- if and (hasPrefix "http://" $url) (dig "policy" "opa" "tokenFile" "" $config) (not (regexMatch "^http://(localhost|127[.][0-9.]+|\\[::1\\])(:|/|$)" $url)) }}
{{- fail "config.policy.opa.tokenFile: a token goes by https://, to this machine, or to a Unix socket only" }}
{{- end }}
{{- $named := list }}
{{- range $index, $decision := dig "policy" "opa" "decisions" (list) $config }}
{{- if has $decision.name $named }}
{{- fail (printf "config.policy.opa.decisions[%d].name: %s is there twice" $index $decision.name) }}
{{- end }}
{{- $named = append $named $decision.name }}
{{- end }}
{{- range dig "policy" "sources" (list) $config }}
{{- if or (and (hasPrefix "builtin:" .) (not (has (trimPrefix "builtin:" .) (include "govgate.builtinSets" $ | splitList " ")))) (and (hasPrefix "cluster:" .) (ne . "cluster:gatekeeper")) }}
{{- fail (printf "config.policy.sources: there is no %s: there are cluster:gatekeeper, and builtin: with one of %s" . (include "govgate.builtinSets" $)) }}
{{- end }}
{{- end }}
{{- range $index, $window := dig "drift" "windows" (list) $config }}
{{- if not (regexMatch "^\\s*[0-9A-Za-z*,/#-]+(\\s+[0-9A-Za-z*,/#-]+){4}\\s*$" $window.schedule) }}
{{- fail (printf "config.drift.windows[%d].schedule: %q is no cron expression of five fields: write \"0 8 * * 1-5\"" $index $window.schedule) }}
{{- end }}
{{- end }}
{{- range $index, $writer := dig "drift" "writers" (list) $config }}
{{- $where := printf "config.drift.writers[%d]" $index }}
{{- if not (or $writer.actors.users $writer.actors.groups) }}
{{- fail (printf "%s.actors: name at least one user or group" $where) }}
{{- end }}
{{- if not $writer.fields }}
{{- fail (printf "%s.fields: name at least one field, or \"*\"" $where) }}
{{- end }}
{{- if and (without (default list $writer.operations) "UPDATE") (not (has "*" $writer.fields)) }}
{{- fail (printf "%s.operations: CREATE and DELETE concern the whole object: fields must be [\"*\"]" $where) }}
{{- end }}
{{- end }}
{{- range $index, $writer := dig "secrets" "plain" "writers" (list) $config }}
{{- if not (or $writer.users $writer.groups) }}
{{- fail (printf "config.secrets.plain.writers[%d]: name at least one user or group" $index) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "govgate.builtinSets" -}}
all gitops network pod-security-baseline pod-security-restricted rbac reliability secrets supply-chain
{{- end }}

{{- define "govgate.checkController" -}}
{{- $election := dig "controller" "election" (dict) .Values.config }}
{{- $lease := dig "leaseSeconds" 15 $election | float64 }}{{ $renew := dig "renewSeconds" 10 $election | float64 }}{{ $retry := dig "retrySeconds" 2 $election | float64 }}
{{- if not (and (lt $retry $renew) (lt $renew $lease)) }}
{{- fail (printf "config.controller.election: retrySeconds < renewSeconds < leaseSeconds must hold, and they are %v, %v and %v" $retry $renew $lease) }}
{{- end }}
{{- $certificates := dig "controller" "certificates" (dict) .Values.config }}
{{- if ge (dig "renewDays" 30 $certificates | float64) (dig "validDays" 90 $certificates | float64) }}
{{- fail "config.controller.certificates.renewDays: must be below validDays" }}
{{- end }}
{{- if ge (dig "controller" "external" "shard" -1 .Values.config | int) (dig "controller" "external" "shards" 1 .Values.config | int) }}
{{- fail "config.controller.external.shard: is counted from 0, and below shards" }}
{{- end }}
{{- $replicas := int .Values.controller.replicas }}
{{- $sealed := dig "controller" "sealed" "namespaces" (list) .Values.config }}
{{- $external := include "govgate.external" . }}
{{- if and (or $sealed $external (include "govgate.sealingEndpoints" .)) (not .Values.controller.enabled) }}
{{- fail (printf "controller.enabled: nobody else does what config.controller.%s asks for" (ternary "external" "sealed" (eq $external "true"))) }}
{{- end }}
{{- if and .Values.controller.enabled (gt $replicas 1) (not (dig "controller" "election" "enabled" true .Values.config)) }}
{{- fail "config.controller.election.enabled: without an election there may be one controller: set controller.replicas to 1" }}
{{- end }}
{{- $shards := include "govgate.shards" . | int }}
{{- if and (gt $shards 1) (lt (dig "controller" "external" "shard" -1 .Values.config | int) 0) (ne $replicas $shards) }}
{{- fail (printf "controller.replicas: config.controller.external.shards is %d, and each needs a replica: set %d" $shards $shards) }}
{{- end }}
{{- if and (include "govgate.intakePort" .) (not (dig "controller" "external" "intake" "tokenFile" "" .Values.config)) }}
{{- fail "config.controller.external.intake.tokenFile: name the file with the token, and mount it with controller.extraVolumes and controller.extraVolumeMounts" }}
{{- end }}
{{- end }}

{{/* Rights that the configuration needs and that the chart gives only where it is told to. */}}
{{- define "govgate.checkRights" -}}
{{- if .Values.rbac.create }}
{{- if and (has "v1/Secret" (dig "policy" "inventory" (list) .Values.config)) (not (and .Values.rbac.extraWebhookRules (or .Values.rbac.extraControllerRules (not .Values.controller.enabled)))) }}
{{- fail "config.policy.inventory: v1/Secret needs the right to read every Secret, which only rbac.extraWebhookRules and rbac.extraControllerRules give" }}
{{- end }}
{{- if and (ne (dig "secrets" "foreignTargets" "off" .Values.config) "off") (not .Values.rbac.extraWebhookRules) (not .Values.rbac.secrets.read) }}
{{- fail "config.secrets.foreignTargets: needs the right to get Secrets: rbac.secrets.read for some, rbac.extraWebhookRules for all" }}
{{- end }}
{{- if and (dig "provenance" "pullSecrets" false .Values.config) (not .Values.rbac.extraWebhookRules) (not .Values.rbac.secrets.read) }}
{{- fail "config.provenance.pullSecrets: needs the right to get Secrets: rbac.secrets.read for some, rbac.extraWebhookRules for all" }}
{{- end }}
{{- if not .Values.rbac.extraControllerRules }}
{{- $keys := include "govgate.keyNamespace" . }}
{{- $sealing := and .Values.controller.enabled (or (include "govgate.sealed" .) (include "govgate.sealingEndpoints" .)) }}
{{- if and $sealing (ne $keys .Release.Namespace) (not (has $keys (default list .Values.rbac.secrets.write))) }}
{{- fail (printf "rbac.secrets.write: config.controller.sealed.keyNamespace is %s: the controller may read the keys there only if it is here, too" $keys) }}
{{- end }}
{{- range dig "controller" "sealed" "namespaces" (list) .Values.config }}
{{- if regexMatch "[*?]" . }}
{{- fail (printf "config.controller.sealed.namespaces: %s is a pattern, for which the Secrets of all namespaces are watched: that takes rbac.extraControllerRules (docs/sealing.md says which)" .) }}
{{- end }}
{{- if not (has . (default list $.Values.rbac.secrets.write)) }}
{{- fail (printf "rbac.secrets.write: config.controller.sealed.namespaces names %s: the controller may write Secrets there only if it is here, too" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
