{{/*
The option registry-mirrors, a text or a list, as the start script reads it: REGISTRY=URL, separated by commas. It is as in
`parse_registry_mirrors` of dind_webhook/injection/parsers.py.
*/}}
{{- define "dind-webhook.mirrors" -}}
{{- $text := kindIs "slice" . | ternary (join "," .) (. | default "" | toString) | trim -}}
{{- $mirrors := list -}}
{{- range empty $text | ternary list (regexSplit "\\s*,\\s*" $text -1) -}}
{{- $registry := "docker.io" -}}
{{- $url := . -}}
{{- if regexMatch "^[^=/]*=" . -}}
{{- $registry = regexFind "^[^=]*" . | lower -}}
{{- $url = regexReplaceAll "^[^=]*=" . "" -}}
{{- end -}}
{{- if eq $url "none" -}}{{- $url = "" -}}{{- end -}}
{{- $host := regexFind "^(https?://)?[^/]*" $url -}}
{{- $url = printf "%s%s" (lower $host) (trimPrefix $host $url) -}}
{{- $mirrors = append $mirrors (printf "%s=%s" $registry (regexReplaceAll "^(node:[0-9]+)$" $url "http://${1}")) -}}
{{- end -}}
{{- join "," $mirrors -}}
{{- end -}}

{{/* The URLs in that text that are flags of dockerd, as JSON: mirrors of Docker Hub whose address is known. */}}
{{- define "dind-webhook.mirrors.flags" -}}
{{- $urls := list -}}
{{- range splitList "," (include "dind-webhook.mirrors" .) -}}
{{- if and (hasPrefix "docker.io=http" .) (not (regexMatch "://node(:|/|$)" .)) -}}
{{- $urls = append $urls (trimPrefix "docker.io=" .) -}}
{{- end -}}
{{- end -}}
{{- toJson $urls -}}
{{- end -}}

{{/*
That text for the DaemonSet, from the defaults of pods. Mirrors that `daemonset` itself has for Docker Hub replace those of pods.
*/}}
{{- define "dind-webhook.mirrors.daemonset" -}}
{{- $injection := (include "dind-webhook.settings" . | fromYaml).injection -}}
{{- $own := hasKey (.Values.daemonset.config | default dict) "registry-mirrors" -}}
{{- range .Values.daemonset.extraArgs -}}{{- if hasPrefix "--registry-mirror=" . -}}{{- $own = true -}}{{- end -}}{{- end -}}
{{- $mirrors := list -}}
{{- if dig "start_script" true $injection -}}
{{- range splitList "," (include "dind-webhook.mirrors" (get ($injection.defaults | default dict) "registry-mirrors")) -}}
{{- if and . (not (and $own (hasPrefix "docker.io=" .))) -}}{{- $mirrors = append $mirrors . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- join "," $mirrors -}}
{{- end -}}

{{/* Members of every container of the DaemonSet that pulls images. The list of mounts comes last, and is continued. */}}
{{- define "dind-webhook.prepull.members" -}}
resources:
  {{- toYaml .Values.prepull.resources | nindent 2 }}
securityContext:
  privileged: false
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
{{- end -}}
