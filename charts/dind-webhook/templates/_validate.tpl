{{/*
What a schema cannot say: values that contradict each other. All of it at once, each a sentence on a line of its own that
names the value.
*/}}
{{- define "dind-webhook.validate" -}}
{{- $wrong := list -}}
{{- range list "names" "images" "replicas" "ports" "tls" "access" "policy" "monitoring" "daemonset" "test" -}}
{{- $wrong = concat $wrong (include (printf "dind-webhook.validate.%s" .) $ | splitList "\n" | compact) -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\nThese values do not go together:\n  - %s\n" (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end -}}

{{- define "dind-webhook.validate.names" -}}
{{- $name := include "dind-webhook.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
the name of all objects would be {{ quote $name }}, which no Service can have: only a-z, 0-9 and dashes, a letter first; set fullnameOverride
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.images" -}}
{{- with .Values.image -}}
{{- if and (kindIs "string" .tag) (empty .tag) (empty .digest) }}
image.tag is empty: name a tag, or image.digest, or set it to null for that of the chart's appVersion
{{- end }}
{{- end }}
{{- with .Values.dindImage -}}
{{- if and (empty .tag) (empty .digest) }}
dindImage.tag is empty: name a tag, as 29.7.2-dind, or dindImage.digest
{{- end }}
{{- end }}
{{- with ((.Values.settings.injection | default dict).defaults | default dict).image -}}
{{- if not (regexMatch "(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[a-f0-9]{64})$" .) }}
settings.injection.defaults.image: {{ quote . }} has neither a tag nor a digest
{{- end }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.replicas" -}}
{{- $scaling := .Values.autoscaling -}}
{{- $least := $scaling.enabled | ternary $scaling.minReplicas .Values.replicas | int -}}
{{- if and (eq $least 0) (eq .Values.webhook.failurePolicy "Fail") }}
replicas is 0 and webhook.failurePolicy is Fail: no pod that asks for Docker could be created; run one, or set webhook.failurePolicy to Ignore
{{- end }}
{{- if and $scaling.enabled (lt (int $scaling.maxReplicas) (int $scaling.minReplicas)) }}
autoscaling.maxReplicas is {{ $scaling.maxReplicas }}, less than autoscaling.minReplicas, {{ $scaling.minReplicas }}
{{- end }}
{{- $stay := .Values.podDisruptionBudget.minAvailable -}}
{{- $away := .Values.podDisruptionBudget.maxUnavailable -}}
{{- if not (or (kindIs "invalid" $stay) (kindIs "invalid" $away)) }}
podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable are both set: set one
{{- end }}
{{- if and .Values.podDisruptionBudget.enabled (gt $least 0) }}
{{- /* A percentage is rounded up, as Kubernetes does. */ -}}
{{- $share := divf (mulf (toString $stay | trimSuffix "%") $least) 100 | ceil -}}
{{- if and (not (kindIs "invalid" $stay)) (ge (kindIs "string" $stay | ternary $share $stay | int) $least) }}
podDisruptionBudget.minAvailable is {{ $stay }}, of {{ $least }} replicas: no node with one of them could ever be drained
{{- end }}
{{- if has (toString $away) (list "0" "0%") }}
podDisruptionBudget.maxUnavailable is {{ $away }}: no node with a replica could ever be drained
{{- end }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.ports" -}}
{{- $ports := dict "containerPort" .Values.containerPort "healthPort" .Values.healthPort -}}
{{- if eq .Values.tls.mode "selfManaged" -}}
{{- $own := int .Values.tls.selfManaged.port -}}
{{- if has $own (list (int .Values.containerPort) (int .Values.healthPort)) }}
tls.selfManaged.port is {{ $own }}, as containerPort or healthPort is: containers of a pod share their ports
{{- end }}
{{- $_ := set $ports "tls.selfManaged.port" $own -}}
{{- end }}
{{- if eq (int .Values.containerPort) (int .Values.healthPort) }}
containerPort and healthPort are both {{ .Values.healthPort }}: each needs a port of its own
{{- end }}
{{- if .Values.hostNetwork -}}
{{- range $name, $port := $ports -}}
{{- if eq (int $port) 10250 }}
hostNetwork is on and {{ $name }} is 10250, which is kubelet's on every node: set it to a port that is free on the nodes
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.access" -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) (eq .Values.tls.mode "selfManaged") .Values.rbac.create }}
serviceAccount.create is off and serviceAccount.name is empty: rights would go to the namespace's default account; name one, or set rbac.create to false
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.policy" -}}
{{- $actions := .Values.policy.validationActions -}}
{{- if and (has "Deny" $actions) (has "Warn" $actions) }}
policy.validationActions has Deny and Warn, which Kubernetes does not take together: a refusal says the same
{{- end }}
{{- if .Values.policy.strict -}}
{{- if not .Values.policy.enabled }}
policy.strict is on, but policy.enabled is off: pods would have to be as described, but need not have Docker; turn policy.enabled on
{{- end }}
{{- if and $actions (not (has "Deny" $actions)) }}
policy.strict is on, but policy.validationActions has no Deny: a boundary that only warns is none; add Deny, or leave validationActions out
{{- end }}
{{- range list "allow_host_network" "allow_host_pid" "allow_host_ipc" -}}
{{- if get ($.Values.settings.injection | default dict) . }}
policy.strict is on, and settings.injection.{{ . }} too: Pod Security baseline, to which policy.strict keeps pods, does not allow that; turn one off
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.monitoring" -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
metrics.serviceMonitor.enabled is on, but metrics.service.enabled is off: a ServiceMonitor finds pods by a Service
{{- end }}
{{- if .Values.metrics.prometheusRule.enabled -}}
{{- $days := .Values.metrics.prometheusRule.certificateDays -}}
{{- /* What is left of a certificate's life when it is renewed, and by which value. */ -}}
{{- $left := dict
      "selfManaged" (divf (include "dind-webhook.seconds" .Values.tls.selfManaged.leafLife) 3)
      "certManager" (include "dind-webhook.seconds" .Values.tls.certManager.renewBefore) -}}
{{- $by := dict "selfManaged" "leafLife" "certManager" "renewBefore" -}}
{{- with .Values.tls.mode -}}
{{- if and (hasKey $left .) (ge (mulf $days 86400) (get $left . | float64)) }}
metrics.prometheusRule.certificateDays is {{ $days }}, and a certificate has no more than that left when it is renewed, by tls.{{ . }}.{{ get $by . }}: there would always be an alert
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.test" -}}
{{- with .Values.test.namespace -}}
{{- if and $.Values.test.enabled (has . (include "dind-webhook.exemptNamespaces" $ | fromJsonArray)) }}
test.namespace is {{ . }}, about which the webhook is never asked: name a namespace that has opted in
{{- end }}
{{- end }}
{{- end -}}
