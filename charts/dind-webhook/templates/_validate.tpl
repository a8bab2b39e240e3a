{{/*
What a schema cannot say: values that contradict each other. All of it at once, each a sentence that names the value.
*/}}
{{- define "dind-webhook.validate" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}

{{- $name := include "dind-webhook.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- $wrong = append $wrong (printf "the name of all objects would be %q, which no Service can have: only a-z, 0-9 and dashes, a letter first; set fullnameOverride" $name) -}}
{{- end -}}

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

{{- if and $v.podDisruptionBudget.enabled (gt $least 0) -}}
{{- $stay := $v.podDisruptionBudget.minAvailable -}}
{{- /* A percentage is rounded up, as Kubernetes does. */ -}}
{{- $percent := toString $stay | trimSuffix "%" -}}
{{- $needed := kindIs "string" $stay | ternary (divf (mulf $percent $least) 100 | ceil) $stay | int -}}
{{- if and (ge $needed $least) (not (kindIs "invalid" $stay)) -}}
{{- $wrong = append $wrong (printf "podDisruptionBudget.minAvailable is %v, of %d replicas: no node with one of them could ever be drained" $stay $least) -}}
{{- end -}}
{{- if has (toString $v.podDisruptionBudget.maxUnavailable) (list "0" "0%") -}}
{{- $wrong = append $wrong (printf "podDisruptionBudget.maxUnavailable is %v: no node with a replica could ever be drained" $v.podDisruptionBudget.maxUnavailable) -}}
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
{{- if and $v.tls.certManager.issuerRef (not $v.tls.certManager.issuerRef.name) -}}
{{- $wrong = append $wrong "tls.certManager.issuerRef.name is empty: name the issuer, or leave issuerRef out for one of the chart's own" -}}
{{- end -}}
{{- if $selfManaged -}}
{{- $own := $v.tls.selfManaged -}}
{{- range $name := list "leafLife" "resync" -}}
{{- if lt (include "dind-webhook.seconds" (get $own $name) | float64) 1.0 -}}
{{- $wrong = append $wrong (printf "tls.selfManaged.%s is %s, less than a second" $name (get $own $name)) -}}
{{- end -}}
{{- end -}}
{{- if lt (include "dind-webhook.seconds" $own.caLife | float64) (include "dind-webhook.seconds" $own.leafLife | mulf 3) -}}
{{- $wrong = append $wrong (printf "tls.selfManaged.caLife is %s, less than three times tls.selfManaged.leafLife, %s: certificates would outlive their CA" $own.caLife $own.leafLife) -}}
{{- end -}}
{{- end -}}
{{- if eq $v.tls.mode "certManager" -}}
{{- $theirs := $v.tls.certManager -}}
{{- $life := include "dind-webhook.seconds" $theirs.duration | float64 -}}
{{- if ge (include "dind-webhook.seconds" $theirs.renewBefore | float64) $life -}}
{{- $wrong = append $wrong (printf "tls.certManager.renewBefore is %s, not less than tls.certManager.duration, %s: certificates would be renewed again and again" $theirs.renewBefore $theirs.duration) -}}
{{- end -}}
{{- if and (not $theirs.issuerRef) (le (include "dind-webhook.seconds" $theirs.caDuration | float64) $life) -}}
{{- $wrong = append $wrong (printf "tls.certManager.caDuration is %s, not more than tls.certManager.duration, %s: certificates would outlive their CA" $theirs.caDuration $theirs.duration) -}}
{{- end -}}
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

{{- /* When a certificate is renewed, what is left of its life */ -}}
{{- $left := "" -}}
{{- if $selfManaged -}}{{- $left = divf (include "dind-webhook.seconds" $v.tls.selfManaged.leafLife) 3 -}}{{- end -}}
{{- if eq $v.tls.mode "certManager" -}}{{- $left = include "dind-webhook.seconds" $v.tls.certManager.renewBefore | float64 -}}{{- end -}}
{{- if and $v.metrics.prometheusRule.enabled $left (ge (mulf $v.metrics.prometheusRule.certificateDays 86400) (float64 $left)) -}}
{{- $wrong = append $wrong (printf "metrics.prometheusRule.certificateDays is %v, and a certificate has no more than that left when it is renewed, by tls.%s: there would always be an alert" $v.metrics.prometheusRule.certificateDays (ternary "selfManaged.leafLife" "certManager.renewBefore" $selfManaged)) -}}
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
{{- $elsewhere := dict "--group" "settings.injection.defaults.group" "-G" "settings.injection.defaults.group" "--data-root" "daemonset.storage" -}}
{{- range $v.daemonset.extraArgs -}}
{{- $flag := (splitn "=" 2 .)._0 -}}
{{- with get $elsewhere $flag -}}
{{- $wrong = append $wrong (printf "daemonset.extraArgs sets %s, about which the rest of the chart has to know: set %s instead" $flag .) -}}
{{- end -}}
{{- end -}}
{{- with $v.daemonset.updateStrategy.rollingUpdate -}}
{{- if not (has (toString .maxSurge) (list "<nil>" "0" "0%")) -}}
{{- $wrong = append $wrong (printf "daemonset.updateStrategy.rollingUpdate.maxSurge is %v: two daemons would share the directories of a node; leave it out" .maxSurge) -}}
{{- end -}}
{{- end -}}
{{- /* The daemon owns its directories: what it finds in the node's own it would take for its leftovers. */ -}}
{{- $nodes := list "/run" "/run/docker" "/run/containerd" "/var" "/var/lib" "/var/lib/docker" "/var/lib/containerd" "/var/lib/kubelet" "/etc" "/home" "/opt" "/root" "/tmp" "/usr" -}}
{{- if $v.daemonset.enabled -}}
{{- $paths := dict "daemonset.hostPath" (include "dind-webhook.hostPath" .) -}}
{{- if eq $v.daemonset.storage.type "hostPath" -}}{{- $_ := set $paths "daemonset.storage.hostPath" (include "dind-webhook.storageHostPath" .) -}}{{- end -}}
{{- $real := dict -}}
{{- range $name, $path := $paths -}}
{{- $_ := set $real $name (regexReplaceAll "^/var/run(/|$)" $path "/run${1}") -}}
{{- if has (get $real $name) $nodes -}}
{{- $wrong = append $wrong (printf "%s is %s, which is the node's own: name a directory that is only the daemon's, as /run/dind or /var/lib/dind" $name $path) -}}
{{- end -}}
{{- end -}}
{{- range $outer, $inner := dict "daemonset.hostPath" "daemonset.storage.hostPath" "daemonset.storage.hostPath" "daemonset.hostPath" -}}
{{- if and (hasKey $real $outer) (hasKey $real $inner) (hasPrefix (printf "%s/" (get $real $outer)) (printf "%s/" (get $real $inner))) -}}
{{- $wrong = append $wrong (printf "%s is %s, in which %s is, %s: each needs a directory of its own" $outer (get $paths $outer) $inner (get $paths $inner)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if and $v.test.enabled (has $v.test.namespace (include "dind-webhook.exemptNamespaces" . | fromJsonArray)) -}}
{{- $wrong = append $wrong (printf "test.namespace is %s, about which the webhook is never asked: name a namespace that has opted in" $v.test.namespace) -}}
{{- end -}}

{{- if $wrong -}}
{{- fail (printf "\n\nThese values do not go together:\n  - %s\n" (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end -}}
