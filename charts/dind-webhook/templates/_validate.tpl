{{/*
What a schema cannot say: values that contradict each other. All of it at once, each a sentence that names the value.
*/}}
{{- define "dind-webhook.validate" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}

{{- if and (eq (kindOf $v.image.tag) "string") (empty $v.image.tag) (empty $v.image.digest) -}}
{{- $wrong = append $wrong "image.tag is empty: name a tag, or image.digest, or set it to null for that of the chart's appVersion" -}}
{{- end -}}
{{- if and (empty $v.dindImage.tag) (empty $v.dindImage.digest) -}}
{{- $wrong = append $wrong "dindImage.tag is empty: name a tag, as 29.7.2-dind, or dindImage.digest" -}}
{{- end -}}
{{- with (($v.settings.injection | default dict).defaults | default dict).image -}}
{{- if not (regexMatch "(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[a-f0-9]{64})$" .) -}}
{{- $wrong = append $wrong (printf "settings.injection.defaults.image: %q has neither a tag nor a digest" .) -}}
{{- end -}}
{{- end -}}

{{- $least := $v.autoscaling.enabled | ternary $v.autoscaling.minReplicas $v.replicas | int -}}
{{- if and (eq $least 0) (eq $v.webhook.failurePolicy "Fail") -}}
{{- $wrong = append $wrong "replicas is 0 and webhook.failurePolicy is Fail: no pod that asks for Docker could be created; run one, or set webhook.failurePolicy to Ignore" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (lt (int $v.autoscaling.maxReplicas) (int $v.autoscaling.minReplicas)) -}}
{{- $wrong = append $wrong (printf "autoscaling.maxReplicas is %d, less than autoscaling.minReplicas, %d" (int $v.autoscaling.maxReplicas) (int $v.autoscaling.minReplicas)) -}}
{{- end -}}
{{- if not (or (kindIs "invalid" $v.podDisruptionBudget.minAvailable) (kindIs "invalid" $v.podDisruptionBudget.maxUnavailable)) -}}
{{- $wrong = append $wrong "podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable are both set: set one" -}}
{{- end -}}

{{- $stay := $v.podDisruptionBudget.minAvailable -}}
{{- if and $v.podDisruptionBudget.enabled (not (kindIs "invalid" $stay)) (not (kindIs "string" $stay)) -}}
{{- if and (gt $least 0) (ge (int $stay) $least) -}}
{{- $wrong = append $wrong (printf "podDisruptionBudget.minAvailable is %d, of %d replicas: no node with one of them could ever be drained" (int $stay) $least) -}}
{{- end -}}
{{- end -}}

{{- $selfManaged := eq $v.tls.mode "selfManaged" -}}
{{- $ports := dict "containerPort" $v.containerPort "healthPort" $v.healthPort -}}
{{- if $selfManaged -}}{{- $_ := set $ports "tls.selfManaged.port" $v.tls.selfManaged.port -}}{{- end -}}
{{- range $name, $port := $ports -}}
{{- if and $v.hostNetwork (eq (int $port) 10250) -}}
{{- $wrong = append $wrong (printf "hostNetwork is on and %s is 10250, which is kubelet's on every node: set it to a port that is free on the nodes" $name) -}}
{{- end -}}
{{- end -}}
{{- if eq (int $v.containerPort) (int $v.healthPort) -}}
{{- $wrong = append $wrong (printf "containerPort and healthPort are both %d: each needs a port of its own" (int $v.healthPort)) -}}
{{- end -}}
{{- if and $selfManaged (has (int $v.tls.selfManaged.port) (list (int $v.containerPort) (int $v.healthPort))) -}}
{{- $wrong = append $wrong (printf "tls.selfManaged.port is %d, as containerPort or healthPort is: containers of a pod share their ports" (int $v.tls.selfManaged.port)) -}}
{{- end -}}

{{- if and (ne $v.tls.mode "existingSecret") $v.tls.existingSecret.name -}}
{{- $wrong = append $wrong (printf "tls.existingSecret.name is set, but tls.mode is %s: choose one, tls.mode existingSecret uses the Secret" $v.tls.mode) -}}
{{- end -}}
{{- if and (ne $v.tls.mode "existingSecret") $v.tls.existingSecret.caBundle -}}
{{- $wrong = append $wrong (printf "tls.existingSecret.caBundle is set, but tls.mode is %s, which has a CA of its own: choose one" $v.tls.mode) -}}
{{- end -}}
{{- if and (ne $v.tls.mode "certManager") $v.tls.certManager.issuerRef -}}
{{- $wrong = append $wrong (printf "tls.certManager.issuerRef is set, but tls.mode is %s: choose one, tls.mode certManager uses the issuer" $v.tls.mode) -}}
{{- end -}}
{{- if eq $v.tls.mode "existingSecret" -}}
{{- if not $v.tls.existingSecret.name -}}
{{- $wrong = append $wrong "tls.existingSecret.name is empty: tls.mode existingSecret needs the name of a Secret with tls.crt and tls.key" -}}
{{- end -}}
{{- if not (or $v.tls.existingSecret.caBundle $v.webhook.annotations) -}}
{{- $wrong = append $wrong "tls.existingSecret.caBundle is empty: the API server would not trust the certificate; give the CA in PEM, or say in webhook.annotations which tool writes it" -}}
{{- end -}}
{{- end -}}
{{- if and $v.tls.existingSecret.caBundle (not (contains "-----BEGIN CERTIFICATE-----" $v.tls.existingSecret.caBundle)) -}}
{{- $wrong = append $wrong "tls.existingSecret.caBundle is not PEM: give the text of the file, which has -----BEGIN CERTIFICATE----- in it, not its base64" -}}
{{- end -}}
{{- if and $v.tls.clientCA.names (not $v.tls.clientCA.configMap) -}}
{{- $wrong = append $wrong "tls.clientCA.names is set without tls.clientCA.configMap: without a CA no client shows a certificate" -}}
{{- end -}}

{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) $selfManaged $v.rbac.create -}}
{{- $wrong = append $wrong "serviceAccount.create is off and serviceAccount.name is empty: rights would go to the namespace's default account; name one, or set rbac.create to false" -}}
{{- end -}}
{{- if and (has "Deny" $v.policy.validationActions) (has "Warn" $v.policy.validationActions) -}}
{{- $wrong = append $wrong "policy.validationActions has Deny and Warn, which Kubernetes does not take together: a refusal says the same" -}}
{{- end -}}
{{- if and $v.metrics.serviceMonitor.enabled (not $v.metrics.service.enabled) -}}
{{- $wrong = append $wrong "metrics.serviceMonitor.enabled is on, but metrics.service.enabled is off: a ServiceMonitor finds pods by a Service" -}}
{{- end -}}

{{- $modes := include "dind-webhook.modes" . | fromJsonArray -}}
{{- if and $v.daemonset.enabled (not (has "daemonset" $modes)) -}}
{{- $wrong = append $wrong "daemonset.enabled is on, but settings.injection.modes has no daemonset: no pod could use the daemons" -}}
{{- end -}}
{{- if le (int $v.daemonset.gc.highPercent) (int $v.daemonset.gc.lowPercent) -}}
{{- $wrong = append $wrong (printf "daemonset.gc.lowPercent is %d, not less than daemonset.gc.highPercent, %d: removal would never begin to help" (int $v.daemonset.gc.lowPercent) (int $v.daemonset.gc.highPercent)) -}}
{{- end -}}
{{- if and $v.daemonset.storage.hostPath (eq $v.daemonset.storage.type "emptyDir") -}}
{{- $wrong = append $wrong "daemonset.storage.hostPath is set, but daemonset.storage.type is emptyDir: choose one" -}}
{{- end -}}
{{- if and $v.daemonset.storage.sizeLimit (eq $v.daemonset.storage.type "hostPath") -}}
{{- $wrong = append $wrong "daemonset.storage.sizeLimit is set, but daemonset.storage.type is hostPath, which has no limit: choose emptyDir, or see daemonset.gc" -}}
{{- end -}}

{{- if and $v.daemonset.updateStrategy.rollingUpdate (eq $v.daemonset.updateStrategy.type "OnDelete") -}}
{{- $wrong = append $wrong "daemonset.updateStrategy.rollingUpdate is set, but daemonset.updateStrategy.type is OnDelete: choose one" -}}
{{- end -}}
{{- /* The daemon owns its directories: what it finds in the node's own it would take for its leftovers. */ -}}
{{- $nodes := list "/run" "/run/docker" "/run/containerd" "/var" "/var/lib" "/var/lib/docker" "/var/lib/containerd" "/var/lib/kubelet" "/etc" "/home" "/opt" "/root" "/tmp" "/usr" -}}
{{- range $name, $path := dict "daemonset.hostPath" $v.daemonset.hostPath "daemonset.storage.hostPath" $v.daemonset.storage.hostPath -}}
{{- if and $v.daemonset.enabled (has (regexReplaceAll "^/var/run(/|$)" $path "/run${1}" | trimSuffix "/") $nodes) -}}
{{- $wrong = append $wrong (printf "%s is %s, which is the node's own: name a directory that is only the daemon's, as /run/dind or /var/lib/dind" $name $path) -}}
{{- end -}}
{{- end -}}

{{- if $wrong -}}
{{- fail (printf "\n\nThese values do not go together:\n  - %s\n" (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end -}}
