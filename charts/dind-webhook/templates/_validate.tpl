{{/*
Checks that the schema cannot do: values that contradict each other or have no effect. All are reported at once, one sentence
a line, each with the name of the value.
*/}}
{{- define "dind-webhook.validate" -}}
{{- $wrong := list -}}
{{- range list "global" "engine" "names" "images" "replicas" "ports" "dns" "tls" "access" "policy" "namespaces" "defaults" "isolation" "monitoring" "daemonset" "daemon" "cache" "test" -}}
{{- $wrong = concat $wrong (include (printf "dind-webhook.validate.%s" .) $ | splitList "\n" | compact) -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\nThese values contradict each other or have no effect:\n  - %s\n" (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end -}}

{{- define "dind-webhook.validate.names" -}}
{{- $name := include "dind-webhook.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
the name of all objects would be {{ quote $name }}, which is not a valid name of a Service: use only a-z, 0-9 and dashes, and begin with a letter; set fullnameOverride
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.images" -}}
{{- with .Values.image -}}
{{- if and (kindIs "string" .tag) (empty .tag) (empty .digest) }}
image.tag is empty: set a tag or image.digest, or set image.tag to null for the chart's appVersion
{{- end }}
{{- end }}
{{- with .Values.dindImage -}}
{{- if and (empty .tag) (empty .digest) }}
dindImage.tag is empty: set a tag, such as 29.8.2-dind, or dindImage.digest
{{- end }}
{{- end }}
{{- range include "dind-webhook.injections" . | fromJsonArray -}}
{{- if not (regexMatch "(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[a-f0-9]{64})$" .injection.defaults.image) }}
{{ .place }}.defaults.image: {{ quote .injection.defaults.image }} has neither a tag nor a digest
{{- end }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.replicas" -}}
{{- $scaling := .Values.autoscaling -}}
{{- $least := $scaling.enabled | ternary $scaling.minReplicas .Values.replicas | int -}}
{{- if and (eq $least 0) (eq .Values.webhook.failurePolicy "Fail") }}
replicas is 0 and webhook.failurePolicy is Fail: all pods that request Docker would be rejected; run one replica or more, or set webhook.failurePolicy to Ignore
{{- end }}
{{- if and $scaling.enabled (lt (int $scaling.maxReplicas) (int $scaling.minReplicas)) }}
autoscaling.maxReplicas is {{ $scaling.maxReplicas }}, less than autoscaling.minReplicas, {{ $scaling.minReplicas }}
{{- end }}
{{- $minAvailable := .Values.podDisruptionBudget.minAvailable -}}
{{- $maxUnavailable := .Values.podDisruptionBudget.maxUnavailable -}}
{{- if not (or (kindIs "invalid" $minAvailable) (kindIs "invalid" $maxUnavailable)) }}
podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable are both set: set only one
{{- end }}
{{- if and .Values.podDisruptionBudget.enabled (gt $least 0) }}
{{- /* A percentage is rounded up, as Kubernetes does. */ -}}
{{- $share := divf (mulf (toString $minAvailable | trimSuffix "%") $least) 100 | ceil -}}
{{- if and (not (kindIs "invalid" $minAvailable)) (ge (kindIs "string" $minAvailable | ternary $share $minAvailable | int) $least) }}
podDisruptionBudget.minAvailable is {{ $minAvailable }}, of {{ $least }} replicas: a node with a replica could never be drained
{{- end }}
{{- if has (toString $maxUnavailable) (list "0" "0%") }}
podDisruptionBudget.maxUnavailable is {{ $maxUnavailable }}: a node with a replica could never be drained
{{- end }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.ports" -}}
{{- $ports := dict "containerPort" .Values.containerPort "healthPort" .Values.healthPort -}}
{{- if eq .Values.tls.mode "selfManaged" -}}
{{- $own := int .Values.tls.selfManaged.port -}}
{{- if has $own (list (int .Values.containerPort) (int .Values.healthPort)) }}
tls.selfManaged.port is {{ $own }}, the same as containerPort or healthPort: the containers of a pod need different ports
{{- end }}
{{- $_ := set $ports "tls.selfManaged.port" $own -}}
{{- end }}
{{- if eq (int .Values.containerPort) (int .Values.healthPort) }}
containerPort and healthPort are both {{ .Values.healthPort }}: set different ports
{{- end }}
{{- if .Values.hostNetwork -}}
{{- range $name, $port := $ports -}}
{{- if eq (int $port) 10250 }}
hostNetwork is on and {{ $name }} is 10250, which is kubelet's port on every node: set a port that is free on the nodes
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.dns" -}}
{{- range $prefix, $pod := dict "" .Values "daemonset." .Values.daemonset -}}
{{- if and (eq (toString $pod.dnsPolicy) "None") (not ($pod.dnsConfig | default dict).nameservers) }}
{{ $prefix }}dnsPolicy is None, but {{ $prefix }}dnsConfig has no nameservers: the pods could resolve no name; set them
{{- end }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.access" -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) (eq .Values.tls.mode "selfManaged") .Values.rbac.create }}
serviceAccount.create is off and serviceAccount.name is empty: the chart would grant rights to the namespace's default account; set serviceAccount.name, or set rbac.create to false
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.policy" -}}
{{- $actions := .Values.policy.validationActions -}}
{{- if and (has "Deny" $actions) (has "Warn" $actions) }}
policy.validationActions has Deny and Warn, which Kubernetes does not allow together: remove Warn, because a denial has the same message
{{- end }}
{{- if .Values.policy.strict -}}
{{- if not .Values.policy.enabled }}
policy.strict is on, but policy.enabled is off: nothing would check that pods that request Docker have it; turn policy.enabled on
{{- end }}
{{- if and $actions (not (has "Deny" $actions)) }}
policy.strict is on, but policy.validationActions has no Deny: a policy that only warns is not a boundary; add Deny, or leave validationActions out
{{- end }}
{{- range list "allow_host_network" "allow_host_pid" "allow_host_ipc" -}}
{{- if get ($.Values.settings.injection | default dict) . }}
policy.strict is on, and settings.injection.{{ . }} too: Pod Security baseline, which policy.strict enforces, does not allow that; turn one of them off
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.isolation" -}}
{{- range include "dind-webhook.injections" . | fromJsonArray -}}
{{- $place := .place -}}
{{- $injection := .injection -}}
{{- $classes := $injection.runtime_classes | default dict -}}
{{- $default := get $injection.defaults "isolation" -}}
{{- range list "sysbox" "kata" "gvisor" -}}
{{- if and (has . (append ($injection.allowed_isolations | default list) $default)) (not (get $classes .)) }}
{{ $place }} allows isolation {{ . }}, but runtime_classes has no RuntimeClass for it: name the one of your nodes
{{- end }}
{{- end }}
{{- if and (has $default (list "userns" "auto" "sysbox")) (eq (toString $injection.start_script) "false") }}
{{ $place }}.defaults.isolation is {{ $default }}, but settings.injection.start_script is off: only the script makes sure that there is a user namespace
{{- end }}
{{- $client := get $injection.defaults "client" | toString }}
{{- $hasClient := not (has $client (list "" "false")) }}
{{- if and $hasClient (has "sidecar" $injection.modes) (eq (toString $injection.start_script) "false") }}
{{ $place }}.defaults.client is {{ $client }}, but settings.injection.start_script is off: the script puts the client there
{{- end }}
{{- /* Defaults that would deny every pod of a mode that sets no options itself. The settings ask the webhook's rules. */ -}}
{{- if and $hasClient (has "daemonset" $injection.modes) (eq (get $injection.defaults "wait" | toString) "false") }}
{{ $place }}.defaults has client {{ $client }} and wait false, which would deny every pod in daemonset mode: the container that waits puts the client there; remove one of them
{{- end }}
{{- if and (has "daemonset" $injection.modes) (has (get $injection.defaults "socket-dir" | toString) (list "/run" "/var/run")) (ne (toString $injection.host_path_read_only) "false") }}
{{ $place }}.defaults.socket-dir is {{ get $injection.defaults "socket-dir" }}, which would deny every pod in daemonset mode: set settings.injection.host_path_read_only to false, or use another directory
{{- end }}
{{- $group := get $injection.defaults "group" | toString }}
{{- if and (has "sidecar" $injection.modes) (has $default (list "userns" "sysbox")) (gt (atoi $group) 65535) }}
{{ $place }}.defaults has isolation {{ $default }} and group {{ $group }}, which would deny every pod in sidecar mode: in a user namespace, 65535 is the largest group; lower it
{{- end }}
{{- end }}
{{- $injection := (include "dind-webhook.settings" . | fromYaml).injection }}
{{- if and $injection.client_image (not $injection.image_volumes) }}
settings.injection.client_image needs image_volumes: true (Kubernetes 1.35): copies of the client are from the daemon's image
{{- end }}
{{- $classes := (.Values.settings.injection | default dict).runtime_classes | default dict }}
{{- if and .Values.runtimeClass.create (get $classes "userns") }}
runtimeClass.create is on, and settings.injection.runtime_classes.userns names a RuntimeClass too: set one of them
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.monitoring" -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
metrics.serviceMonitor.enabled is on, but metrics.service.enabled is off: a ServiceMonitor needs that Service
{{- end }}
{{- if .Values.metrics.prometheusRule.enabled -}}
{{- $days := .Values.metrics.prometheusRule.certificateDays -}}
{{- /* How long a certificate is still valid when it is renewed, and which value sets that. */ -}}
{{- $left := dict
      "selfManaged" (divf (include "dind-webhook.seconds" .Values.tls.selfManaged.leafLife) 3)
      "certManager" (include "dind-webhook.seconds" .Values.tls.certManager.renewBefore) -}}
{{- $by := dict "selfManaged" "leafLife" "certManager" "renewBefore" -}}
{{- with .Values.tls.mode -}}
{{- if and (hasKey $left .) (ge (mulf $days 86400) (get $left . | float64)) }}
metrics.prometheusRule.certificateDays is {{ $days }}, but a certificate is renewed only when it has that time left or less, by tls.{{ . }}.{{ get $by . }}: the alert would fire before each renewal
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.test" -}}
{{- with .Values.test.namespace -}}
{{- if and $.Values.test.enabled (has . (include "dind-webhook.exemptNamespaces" $ | fromJsonArray)) }}
test.namespace is {{ . }}, for which the webhook is never called: set a namespace that has opted in
{{- end }}
{{- end }}
{{- end -}}
