{{/* Names: 50 characters leave room for the longest suffix within the 63 characters of a Service name. */}}
{{- define "dind-webhook.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "dind-webhook.fullname" -}}
{{- $name := include "dind-webhook.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "dind-webhook.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "dind-webhook.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "dind-webhook.webhookName" -}}
{{- .Values.webhook.name | default (include "dind-webhook.fullname" .) -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" "webhook"). These labels never change for a release, because selectors are immutable. */}}
{{- define "dind-webhook.selectorLabels" -}}
app.kubernetes.io/name: {{ include "dind-webhook.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "dind-webhook.labels" -}}
{{- $ours := include "dind-webhook.selectorLabels" . | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/part-of" "dind-webhook" -}}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $ours "app.kubernetes.io/version" (.root.Chart.AppVersion | toString) -}}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- mergeOverwrite (dict) (.root.Values.commonLabels | default dict) (.labels | default dict) $ours | toYaml -}}
{{- end -}}

{{/* Labels without versions, so that an upgrade of the chart alone does not replace pods. */}}
{{- define "dind-webhook.podLabels" -}}
{{- $ours := include "dind-webhook.selectorLabels" . | fromYaml -}}
{{- mergeOverwrite (dict) (.root.Values.commonLabels | default dict) (.labels | default dict) $ours | toYaml -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" …), and optionally name, cluster, labels, annotations. */}}
{{- define "dind-webhook.metadata" -}}
name: {{ .name | default (include "dind-webhook.fullname" .root) }}
{{- if not .cluster }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "dind-webhook.labels" . | nindent 2 }}
{{- with mergeOverwrite (dict) (.root.Values.commonAnnotations | default dict) (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes the root, and an image's values with the tag filled in. */}}
{{- define "dind-webhook.imageReference" -}}
{{- $registry := include "dind-webhook.imageRegistry" . -}}
{{- with .image -}}
{{- $repository := ternary (printf "%s/%s" $registry .repository) .repository (not (empty $registry)) -}}
{{- ternary (printf "%s@%s" $repository .digest) (printf "%s:%v" $repository .tag) (not (empty .digest)) -}}
{{- end -}}
{{- end -}}

{{/* Registry of an image: its own, that of all images, or the chart's default. */}}
{{- define "dind-webhook.imageRegistry" -}}
{{- $global := .root.Values.global | default dict -}}
{{- /* Another chart of the same parent may have an image reference there. */ -}}
{{- $image := kindIs "map" $global.image | ternary $global.image dict -}}
{{- coalesce .image.registry $global.imageRegistry $image.registry .image.defaultRegistry | default "" -}}
{{- end -}}

{{/* The chart's own pull secrets, and the global ones, which may be names alone. */}}
{{- define "dind-webhook.imagePullSecrets" -}}
{{- $secrets := list -}}
{{- range concat (.Values.imagePullSecrets | default list) ((.Values.global | default dict).imagePullSecrets | default list) -}}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with uniq $secrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "dind-webhook.image" -}}
{{- $tag := kindIs "invalid" .Values.image.tag | ternary .Chart.AppVersion .Values.image.tag -}}
{{- include "dind-webhook.imageReference" (dict "root" . "image" (merge (dict "tag" $tag) .Values.image)) -}}
{{- end -}}

{{/* Host that the API server calls. The certificate must be valid for it. */}}
{{- define "dind-webhook.host" -}}
{{- if .Values.webhook.url -}}
{{- (urlParse .Values.webhook.url).hostname -}}
{{- else -}}
{{- printf "%s.%s.svc" (include "dind-webhook.fullname" .) .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{- define "dind-webhook.isIP" -}}
{{- if or (regexMatch "^[0-9]+(\\.[0-9]+){3}$" .) (contains ":" .) -}}true{{- end -}}
{{- end -}}

{{/* Name of the Secret with certificate and key. */}}
{{- define "dind-webhook.tlsSecret" -}}
{{- $name := include "dind-webhook.fullname" . -}}
{{- if eq .Values.tls.mode "selfManaged" -}}
{{- .Values.tls.selfManaged.secretName | default (printf "%s-certs" $name) -}}
{{- else if eq .Values.tls.mode "certManager" -}}
{{- .Values.tls.certManager.secretName | default (printf "%s-tls" $name) -}}
{{- else -}}
{{- .Values.tls.existingSecret.name -}}
{{- end -}}
{{- end -}}

{{/* Directory of the DaemonSet's socket on the node. */}}
{{- define "dind-webhook.hostPath" -}}
{{- .Values.daemonset.hostPath | default (printf "/var/run/dind/%s-%s" .Release.Namespace .Release.Name) -}}
{{- end -}}

{{/* Directory of the DaemonSet's images on the node. */}}
{{- define "dind-webhook.storageHostPath" -}}
{{- .Values.daemonset.storage.hostPath | default (printf "/var/lib/dind/%s-%s" .Release.Namespace .Release.Name) -}}
{{- end -}}

{{/* Group of the DaemonSet's socket: the one that the webhook adds to pods. */}}
{{- define "dind-webhook.group" -}}
{{- $defaults := (.Values.settings.injection | default dict).defaults | default dict -}}
{{- $group := hasKey $defaults "group" | ternary (get $defaults "group") 2375 -}}
{{- /* A number from a file is a float here, and a large one would be written with an exponent. */ -}}
{{- kindIs "float64" $group | ternary (int64 $group) $group | toString | replace "<nil>" "" -}}
{{- end -}}

{{/* Enabled modes, as a JSON list. */}}
{{- define "dind-webhook.modes" -}}
{{- $own := .Values.daemonset.enabled | ternary (list "sidecar" "daemonset") (list "sidecar") -}}
{{- (.Values.settings.injection | default dict).modes | default $own | toJson -}}
{{- end -}}

{{/* The name of the RuntimeClass for isolation userns. */}}
{{- define "dind-webhook.runtimeClass" -}}
{{- .Values.runtimeClass.name | default (printf "%s-userns" (include "dind-webhook.fullname" .)) -}}
{{- end -}}

{{/* The settings file: the operator's settings, and the settings that must match the rest of the chart. */}}
{{- define "dind-webhook.settings" -}}
{{- $injection := deepCopy (.Values.settings.injection | default dict) -}}
{{- $_ := set $injection "modes" (include "dind-webhook.modes" . | fromJsonArray) -}}
{{- $_ := set $injection "host_path" (include "dind-webhook.hostPath" .) -}}
{{- $image := include "dind-webhook.imageReference" (dict "root" . "image" .Values.dindImage) -}}
{{- $_ := set $injection "defaults" (mergeOverwrite (dict "image" $image) ($injection.defaults | default dict) (dict "group" (include "dind-webhook.group" .))) -}}
{{- $_ := set $injection "image_pull_policy" .Values.dindImage.pullPolicy -}}
{{- /* From this version on, the API server has image volumes without a feature gate. Nodes may be older: nobody knows here. */ -}}
{{- if not (hasKey $injection "image_volumes") -}}
{{- $_ := set $injection "image_volumes" (semverCompare ">=1.35.0-0" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if .Values.cache.enabled -}}
{{- $_ := set $injection.defaults "registry-mirrors" (include "dind-webhook.cache.mirrors" (dict "root" . "own" (get $injection.defaults "registry-mirrors"))) -}}
{{- end -}}
{{- if .Values.runtimeClass.create -}}
{{- $_ := set $injection "runtime_classes" (merge (dict "userns" (include "dind-webhook.runtimeClass" .)) ($injection.runtime_classes | default dict)) -}}
{{- end -}}
{{- $server := deepCopy (.Values.settings.server | default dict) -}}
{{- $_ := set $server "port" (int .Values.containerPort) -}}
{{- $_ := set $server "health_port" (int .Values.healthPort) -}}
{{- $_ := set $server "tls_cert_file" "/var/run/dind-webhook/tls/tls.crt" -}}
{{- $_ := set $server "tls_key_file" "/var/run/dind-webhook/tls/tls.key" -}}
{{- $_ := set $server "tls_server_name" (include "dind-webhook.host" .) -}}
{{- with .Values.tls.clientCA -}}
{{- if .configMap -}}
{{- $_ := set $server "client_ca_file" "/var/run/dind-webhook/client-ca/ca.crt" -}}
{{- if .names -}}{{- $_ := set $server "client_names" .names -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $settings := dict "injection" $injection "server" $server "log" (.Values.settings.log | default dict) -}}
{{- if eq .Values.tls.mode "selfManaged" -}}
{{- $own := .Values.tls.selfManaged -}}
{{- $_ := set $settings "certs" (dict
      "namespace" .Release.Namespace
      "secret" (include "dind-webhook.tlsSecret" .)
      "webhook_configuration" (include "dind-webhook.webhookName" .)
      "service" (include "dind-webhook.fullname" .)
      "extra_hosts" (empty .Values.webhook.url | ternary list (list (include "dind-webhook.host" .)))
      "directory" "/var/run/dind-webhook/tls"
      "health_port" (int $own.port)
      "leaf_life" $own.leafLife
      "ca_life" $own.caLife
      "resync" $own.resync) -}}
{{- with $server.host -}}{{- $_ := set $settings.certs "host" . -}}{{- end -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{/* Seconds from SIGTERM to SIGKILL: for the server, then for the sidecar, and a margin. */}}
{{- define "dind-webhook.terminationGracePeriodSeconds" -}}
{{- $server := .Values.settings.server | default dict -}}
{{- $grace := hasKey $server "grace_seconds" | ternary $server.grace_seconds 5 -}}
{{- $drain := hasKey $server "drain_seconds" | ternary $server.drain_seconds 10 -}}
{{- add (ceil (addf $grace $drain)) 10 -}}
{{- end -}}

{{/* Seconds of a duration such as 1h30m. */}}
{{- define "dind-webhook.seconds" -}}
{{- $units := dict "ms" 0.001 "s" 1 "m" 60 "h" 3600 "d" 86400 -}}
{{- $seconds := 0.0 -}}
{{- range regexFindAll "[0-9.]+[a-z]+" . -1 -}}
{{- $seconds = addf $seconds (mulf (regexFind "[0-9.]+" .) (get $units (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/* Namespaces for which the webhook is never called, as a JSON list. */}}
{{- define "dind-webhook.exemptNamespaces" -}}
{{- append (.Values.webhook.exemptNamespaces | default list) .Release.Namespace | uniq | toJson -}}
{{- end -}}

{{/*
The entries of the webhook configuration, as a JSON list: name, path, requirements on the namespace's labels, and which of
the match conditions they have.
*/}}
{{- define "dind-webhook.webhookEntries" -}}
{{- $replaces := false -}}
{{- range include "dind-webhook.injections" . | fromJsonArray -}}
{{- if or (has "node-socket" (.injection.allowed_options | default list)) (eq (get .injection.defaults "node-socket") "replace") -}}
{{- $replaces = true -}}
{{- end -}}
{{- end -}}
{{- $labelled := dict "key" "dind.io/node-socket" "operator" "In" "values" (list "replace") -}}
{{- $notLabelled := dict "key" "dind.io/node-socket" "operator" "NotIn" "values" (list "replace") -}}
{{- $entries := list -}}
{{- if $replaces -}}
{{- $modeless := dict "key" "dind.io/inject" "operator" "NotIn" "values" (list "sidecar" "daemonset") -}}
{{- $entries = append $entries (dict "name" "enabled.node-socket.dind.io" "path" "/mutate/node-socket" "requirements" (list $labelled $modeless) "nodeSocket" true) -}}
{{- range $mode := list "sidecar" "daemonset" -}}
{{- $requirement := dict "key" "dind.io/inject" "operator" "In" "values" (list $mode) -}}
{{- $entries = append $entries (dict "name" (printf "%s.node-socket.dind.io" $mode) "path" (printf "/mutate/node-socket/%s" $mode) "requirements" (list $labelled $requirement)) -}}
{{- end -}}
{{- end -}}
{{- range $value, $path := dict "enabled" "/mutate" "sidecar" "/mutate/sidecar" "daemonset" "/mutate/daemonset" -}}
{{- $requirements := list (dict "key" "dind.io/inject" "operator" "In" "values" (list $value)) -}}
{{- if and $replaces (ne $value "enabled") -}}
{{- $requirements = append $requirements $notLabelled -}}
{{- end -}}
{{- $entries = append $entries (dict "name" (printf "%s.inject.dind.io" $value) "path" $path "requirements" $requirements "onlyAsked" (eq $value "enabled")) -}}
{{- end -}}
{{- toJson $entries -}}
{{- end -}}

{{/* Labels by which webhook.namespaceSelector selects a namespace, as a JSON map. The API server sets a namespace's name. */}}
{{- define "dind-webhook.selectedLabels" -}}
{{- $labels := dict -}}
{{- range .Values.webhook.namespaceSelector -}}
{{- if and (has .operator (list "In" "Exists")) (ne .key "kubernetes.io/metadata.name") -}}
{{- $_ := set $labels .key (first (.values | default (list ""))) -}}
{{- end -}}
{{- end -}}
{{- toJson $labels -}}
{{- end -}}

{{/*
Selector of the namespaces for which the webhook is called. Takes (dict "root" $ "values" (list of values of the namespace's
label dind.io/inject)), or a list of other "requirements"; without both, it selects namespaces that have not opted in too.
*/}}
{{- define "dind-webhook.namespaceSelector" -}}
matchExpressions:
  {{- with .values }}
  - {key: dind.io/inject, operator: In, values: {{ toJson . }}}
  {{- end }}
  {{- range .requirements }}
  - {key: {{ .key }}, operator: {{ .operator }}, values: {{ toJson .values }}}
  {{- end }}
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ include "dind-webhook.exemptNamespaces" .root }}
  {{- with .root.Values.webhook.namespaceSelector }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
