{{/* The caches, as a JSON list: registry, name of the objects, URL and port of the registry, prefix of its keys in the Secret, and whether it has none. */}}
{{- define "dind-webhook.caches" -}}
{{- $caches := list -}}
{{- range .Values.cache.upstreams -}}
{{- $slug := regexReplaceAll "[^a-z0-9]+" .registry "-" -}}
{{- /* Names of 52 characters leave room for the hash in the names of a StatefulSet's revisions. */ -}}
{{- if gt (len $slug) 25 -}}
{{- $slug = printf "%s-%s" ($slug | trunc 16 | trimSuffix "-") (sha256sum .registry | trunc 8) -}}
{{- end -}}
{{- $name := printf "%s-cache-%s" (include "dind-webhook.fullname" $ | trunc 20 | trimSuffix "-") $slug -}}
{{- $url := .url | default (eq .registry "docker.io" | ternary "https://registry-1.docker.io" (printf "https://%s" .registry)) -}}
{{- $port := trimPrefix ":" (regexFind ":[0-9]+$" $url) | default (hasPrefix "https:" $url | ternary 443 80) | int -}}
{{- $caches = append $caches (dict "registry" .registry "name" $name "url" $url "port" $port "anonymous" (.anonymous | default false) "component" (printf "cache-%s" $slug) "key" (replace ":" "_" .registry)) -}}
{{- end -}}
{{- toJson $caches -}}
{{- end -}}

{{/* The mirrors of pods: the operator's own, and a cache for each other upstream. Takes root, and the operator's as `own`. */}}
{{- define "dind-webhook.cache.mirrors" -}}
{{- $own := kindIs "slice" .own | ternary (join "," .own) (.own | default "" | toString) -}}
{{- $mirrors := include "dind-webhook.mirrors" $own | splitList "," | compact -}}
{{- $registries := list -}}
{{- range $mirrors -}}{{- $registries = append $registries (regexFind "^[^=]*" .) -}}{{- end -}}
{{- $texts := empty $own | ternary list (list $own) -}}
{{- range include "dind-webhook.caches" .root | fromJsonArray -}}
{{- if not (has .registry $registries) -}}
{{- $texts = append $texts (printf "%s=http://%s.%s.svc:5000" .registry .name $.root.Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- join "," $texts -}}
{{- end -}}

{{/* The configuration of a cache. Takes root and cache. */}}
{{- define "dind-webhook.cache.config" -}}
version: 0.1
log:
  level: info
  accesslog: {disabled: true}
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  # Needed for the removal of old data.
  delete: {enabled: true}
  # No `cache` of descriptors: a blob that expired in one repository would be sent without its content in another one.
http:
  # Only the container "coalesce" asks it.
  addr: 127.0.0.1:5002
  debug:
    addr: :5001
    prometheus: {enabled: true, path: /metrics}
proxy:
  remoteurl: {{ .cache.url }}
  ttl: {{ .root.Values.cache.ttl }}
health:
  storagedriver: {enabled: true, interval: 10s, threshold: 3}
{{- end -}}

{{- define "dind-webhook.validate.cache" -}}
{{- $v := .Values.cache -}}
{{- if $v.enabled -}}
{{- if and (gt (int $v.replicas) 1) (not $v.persistence.enabled) }}
cache.replicas is {{ $v.replicas }}, but cache.persistence.enabled is off: each replica would fetch every image by itself, again after each restart; turn persistence on, or run one replica
{{- end }}
{{- if empty $v.upstreams }}
cache.enabled is on, but cache.upstreams is empty: there is nothing to cache; name registries
{{- end }}
{{- if and (empty $v.image.tag) (empty $v.image.digest) }}
cache.image.tag is empty: set a tag or cache.image.digest
{{- end }}
{{- if not (has "sidecar" (include "dind-webhook.modes" . | fromJsonArray)) }}
{{- if not .Values.daemonset.enabled }}
cache.enabled is on, but no daemon would use it: settings.injection.modes has no sidecar, and daemonset.enabled is off
{{- end }}
{{- end }}
{{- range $v.upstreams -}}
{{- $host := regexReplaceAll ":[0-9]+$" .registry "" -}}
{{- $port := trimPrefix ":" (regexFind ":[0-9]+$" .registry) -}}
{{- if has .registry (list "index.docker.io" "registry-1.docker.io") }}
cache.upstreams has {{ .registry }}, but images name that registry docker.io: write docker.io
{{- else if or
      (regexMatch "[.-][.]|[.]-" $host)
      (and (regexMatch "^[0-9.]+$" $host) (not (regexMatch "^((25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})([.]|$)){4}$" $host)))
      (gt (int ($port | default 1)) 65535)
      (lt (int ($port | default 1)) 1) }}
cache.upstreams has {{ .registry }}, which is not a host, or has a port that is none: write a registry as images name it
{{- end -}}
{{- end -}}
{{- $names := dict -}}
{{- range include "dind-webhook.caches" . | fromJsonArray -}}
{{- with get $names .name }}
cache.upstreams has {{ . }} and another registry whose objects would have the same name, or {{ . }} twice: a registry has one cache
{{- end }}
{{- $_ := set $names .name .registry -}}
{{- end }}
{{- else if $v.metrics.podMonitor.enabled }}
cache.metrics.podMonitor.enabled is on, but cache.enabled is off: there is no cache to measure; turn cache.enabled on
{{- end }}
{{- end -}}
