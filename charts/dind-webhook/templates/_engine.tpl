{{/* With --reuse-values, releases of older charts have none. */}}
{{- define "dind-webhook.engine" -}}{{- .Values.engine | default "webhook" -}}{{- end -}}

{{/* Which engines inject: each returns true or nothing. */}}
{{- define "dind-webhook.hasWebhook" -}}{{- if ne (include "dind-webhook.engine" .) "policy" -}}true{{- end -}}{{- end -}}
{{- define "dind-webhook.hasPolicies" -}}{{- if ne (include "dind-webhook.engine" .) "webhook" -}}true{{- end -}}{{- end -}}

{{/* The question in a denial of a pod that no engine has injected. */}}
{{- define "dind-webhook.engineQuestion" -}}
{{- if include "dind-webhook.hasWebhook" . -}}
is the webhook {{ include "dind-webhook.webhookName" . }} ready?
{{- else -}}
is there a MutatingAdmissionPolicyBinding {{ include "dind-webhook.policyName" . }}-MODE?
{{- end -}}
{{- end -}}

{{/* Beginning of the names of the injecting policies. */}}
{{- define "dind-webhook.policyName" -}}{{- include "dind-webhook.fullname" . }}-policy{{- end -}}

{{/*
Checksum of the settings of injection, and of the version: `dind-webhook policy` passes it on, from the ConfigMap to the policies.
*/}}
{{- define "dind-webhook.settingsChecksum" -}}
{{- (include "dind-webhook.settings" . | fromYaml).injection | toJson | printf "%s %s" .Chart.AppVersion | sha256sum -}}
{{- end -}}

{{/*
The injecting policies, as JSON: `items`, and `uncovered`, the settings for which the chart's own file has none. That file has
placeholders for the values of some settings, because helm cannot run the code that writes the policies.
*/}}
{{- define "dind-webhook.policies" -}}
{{- if .Values.policies -}}
{{- dict "items" (.Values.policies | fromJson).items "uncovered" list | toJson -}}
{{- else -}}
{{- $text := .Files.Get "files/policies.json" -}}
{{- $file := fromJson $text -}}
{{- $rest := (include "dind-webhook.settings" . | fromYaml).injection -}}
{{- range $file.placeholders -}}
{{- $group := gt (len .path) 1 | ternary $rest.defaults $rest -}}
{{- $name := last .path -}}
{{- $value := include "dind-webhook.strict.text" (dict "value" (hasKey $group $name | ternary (get $group $name) .default)) -}}
{{- if regexMatch .pattern $value -}}
{{- $_ := unset $group $name -}}
{{- $text = replace .text $value $text -}}
{{- /* Pods may set the built-in default and the operator's; once, if they are the same. */ -}}
{{- $text = replace (printf `[\"%s\", \"%s\"]` $value $value) (printf `[\"%s\"]` $value) $text -}}
{{- end -}}
{{- end -}}
{{- $text = replace $file.name (include "dind-webhook.policyName" .) $text -}}
{{- $keys := get $file.policies ($rest.modes | sortAlpha | uniq | join ",") -}}
{{- if $keys -}}{{- $_ := unset $rest "modes" -}}{{- end -}}
{{- range $name, $value := merge (dict) $file.fixed (omit $file.built_in "defaults") -}}
{{- $own := get $rest $name -}}
{{- if kindIs "slice" $own -}}{{- $own = sortAlpha $own -}}{{- end -}}
{{- if eq (toJson $value) (toJson $own) -}}{{- $_ := unset $rest $name -}}{{- end -}}
{{- end -}}
{{- range $name, $value := $file.built_in.defaults -}}
{{- if eq $value (include "dind-webhook.strict.text" (dict "value" (get $rest.defaults $name))) -}}{{- $_ := unset $rest.defaults $name -}}{{- end -}}
{{- end -}}
{{- $uncovered := list -}}
{{- range $name := keys $rest.defaults | sortAlpha -}}{{- $uncovered = append $uncovered (printf "defaults.%s" $name) -}}{{- end -}}
{{- $uncovered = concat $uncovered (keys (omit $rest "defaults") | sortAlpha) -}}
{{- $items := list -}}
{{- $objects := (fromJson $text).objects -}}
{{- range $keys -}}{{- $items = append $items (get $objects .) -}}{{- end -}}
{{- dict "items" $items "uncovered" $uncovered | toJson -}}
{{- end -}}
{{- end -}}

{{/* An injecting policy or a binding with the chart's labels and selectors. Takes root and object. */}}
{{- define "dind-webhook.finishedPolicy" -}}
{{- $root := .root -}}
{{- $spec := deepCopy .object.spec -}}
{{- $names := dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" (include "dind-webhook.exemptNamespaces" $root | fromJsonArray) -}}
{{- range $member := list "matchConstraints" "matchResources" -}}
{{- with get $spec $member -}}
{{- $requirements := concat (list $names) ($root.Values.webhook.namespaceSelector | default list) -}}
{{- range .namespaceSelector.matchExpressions -}}
{{- if ne .key $names.key -}}{{- $requirements = append $requirements . -}}{{- end -}}
{{- end -}}
{{- $_ := set .namespaceSelector "matchExpressions" $requirements -}}
{{- with $root.Values.webhook.objectSelector -}}{{- $_ := set (get $spec $member) "objectSelector" . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if hasKey $spec "failurePolicy" -}}{{- $_ := set $spec "failurePolicy" $root.Values.webhook.failurePolicy -}}{{- end -}}
{{- if hasKey $spec "matchConditions" -}}
{{- $_ := set $spec "matchConditions" (concat $spec.matchConditions ($root.Values.webhook.matchConditions | default list)) -}}
{{- end -}}
apiVersion: {{ .object.apiVersion }}
kind: {{ .object.kind }}
metadata:
  {{- include "dind-webhook.metadata" (dict "root" $root "component" "policy" "cluster" true "name" .object.metadata.name "annotations" $root.Values.policy.annotations) | nindent 2 }}
spec:
  {{- toYaml $spec | nindent 2 }}
{{- end -}}

{{- define "dind-webhook.validate.engine" -}}
{{- if include "dind-webhook.hasPolicies" . -}}
{{- /* With a suffix for managed clusters, whose versions count as pre-releases. */ -}}
{{- if not (semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version) }}
engine is {{ .Values.engine }}, which needs Kubernetes 1.36 or newer, and the API server has {{ .Capabilities.KubeVersion.Version }}: set engine to webhook, or for `helm template` the version of the API server with --kube-version
{{- end }}
{{- $write := printf "write them with `helm template %s CHART --namespace %s --values VALUES --set engine=webhook --show-only templates/configmap.yaml | dind-webhook policy -f - -o json > policies.json`, and add --set-file policies=policies.json" .Release.Name .Release.Namespace -}}
{{- if not .Values.policies -}}
{{- with (include "dind-webhook.policies" . | fromJson).uncovered }}
engine is {{ $.Values.engine }}, and the chart has no policies for {{ join ", " . }} of settings.injection as set here: {{ $write }}
{{- $unsupported := (fromJson ($.Files.Get "files/policies.json")).unsupported }}
{{- range $name := . }}{{ with get $unsupported $name }}
some values of settings.injection.{{ $name }} cannot become a policy of the API server: {{ . }}
{{- end }}{{ end }}
{{- end }}
{{- else if gt (len .Values.policies) 2200000 }}
{{- /* A Secret holds 1 MiB. A release has the policies twice, as a value and as objects, compressed to a fifth. */}}
policies has {{ len .Values.policies }} bytes, and helm cannot keep a release with more than 2200000 of them: leave out entries of settings.injection.namespaces, or set engine to webhook
{{- else -}}
{{- $items := (fromJson .Values.policies).items -}}
{{- $isList := and (kindIs "slice" $items) $items | empty | not -}}
{{- if $isList -}}{{- range $items -}}{{- if not (and (kindIs "map" .) (kindIs "map" .metadata) (kindIs "map" .spec)) -}}{{- $isList = false -}}{{- end -}}{{- end -}}{{- end -}}
{{- if not $isList }}
policies is not the JSON of `dind-webhook policy`: {{ $write }}
{{- else -}}
{{- $metadata := (first $items).metadata -}}
{{- if ne (get ($metadata.annotations | default dict) "checksum/settings") (include "dind-webhook.settingsChecksum" .) }}
policies has the policies of other settings than settings.injection, of another release, or of another version of the chart: {{ $write }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
