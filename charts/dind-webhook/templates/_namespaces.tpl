{{/*
Settings of injection, as a JSON list: those of the cluster, then those of each entry of `namespaces` as they are in force in
its namespaces. Each has its `place` in the values, its `names`, a `suffix` for names of objects, and a `condition`: CEL that is
true in its namespaces, empty for all.
*/}}
{{- define "dind-webhook.injections" -}}
{{- $base := (include "dind-webhook.settings" . | fromYaml).injection -}}
{{- $entries := $base.namespaces | default list -}}
{{- $base = omit $base "namespaces" -}}
{{- $injections := list -}}
{{- $earlier := list -}}
{{- range $index, $entry := $entries -}}
{{- $injection := deepCopy $base -}}
{{- range $map := list "defaults" "max" -}}
{{- $_ := set $injection $map (include "dind-webhook.overwritten" (dict "base" (get $base $map) "own" (get $entry $map)) | fromJson) -}}
{{- end -}}
{{- range $member := list "modes" "allowed_options" "allowed_images" "allowed_isolations" -}}
{{- if hasKey $entry $member -}}{{- $_ := set $injection $member (get $entry $member) -}}{{- end -}}
{{- end -}}
{{- $condition := include "dind-webhook.namespaceCondition" $entry.names -}}
{{- with $earlier -}}{{- $condition = printf "%s && !%s" $condition (include "dind-webhook.namespaceCondition" .) -}}{{- end -}}
{{- $place := printf "settings.injection.namespaces[%d]" $index -}}
{{- $injections = append $injections (dict "place" $place "names" $entry.names "suffix" (printf "-%d" (add1 $index)) "condition" $condition "injection" $injection) -}}
{{- $earlier = concat $earlier $entry.names -}}
{{- end -}}
{{- $condition := "" -}}
{{- with $earlier -}}{{- $condition = printf "!%s" (include "dind-webhook.namespaceCondition" .) -}}{{- end -}}
{{- prepend $injections (dict "place" "settings.injection" "names" list "suffix" "" "condition" $condition "injection" $base) | toJson -}}
{{- end -}}

{{/* The settings of injection that are in force in a namespace, as JSON. Takes (dict "root" $ "namespace" …). */}}
{{- define "dind-webhook.injectionIn" -}}
{{- $injections := include "dind-webhook.injections" .root | fromJsonArray -}}
{{- $found := first $injections -}}
{{- range reverse (rest $injections) -}}
{{- if regexMatch (include "dind-webhook.namespacePattern" .names) $.namespace -}}{{- $found = . -}}{{- end -}}
{{- end -}}
{{- toJson $found.injection -}}
{{- end -}}

{{/* CEL: the modes that are on in the namespace of the request. */}}
{{- define "dind-webhook.modesOfNamespace" -}}
{{- $injections := include "dind-webhook.injections" . | fromJsonArray -}}
{{- $choices := list -}}
{{- range append (rest $injections) (first $injections) -}}
{{- $modes := list -}}
{{- range .injection.modes -}}{{- $modes = append $modes (squote .) -}}{{- end -}}
{{- $list := printf "[%s]" (join ", " $modes) -}}
{{- if .names -}}{{- $list = printf "%s ? %s" .condition $list -}}{{- end -}}
{{- $choices = append $choices $list -}}
{{- end -}}
({{ join " : " $choices }})
{{- end -}}

{{/* A map with the members of another one in place of its own, as JSON. Merging would skip "", false and 0. */}}
{{- define "dind-webhook.overwritten" -}}
{{- $map := deepCopy (.base | default dict) -}}
{{- range $name, $value := .own | default dict -}}{{- $_ := set $map $name $value -}}{{- end -}}
{{- toJson $map -}}
{{- end -}}

{{/* CEL: the namespace of the request has one of these names, in which `*` stands for any text. */}}
{{- define "dind-webhook.namespaceCondition" -}}
request.namespace.matches({{ include "dind-webhook.namespacePattern" . | toJson }})
{{- end -}}

{{- define "dind-webhook.namespacePattern" -}}
{{- $patterns := list -}}
{{- range . -}}{{- $patterns = append $patterns (regexQuoteMeta . | replace "\\*" ".*") -}}{{- end -}}
{{- printf "^(%s)$" (join "|" $patterns) -}}
{{- end -}}

{{/* Entries of `namespaces` that would never be in force, and names that are there twice. */}}
{{- define "dind-webhook.validate.namespaces" -}}
{{- $earlier := list -}}
{{- range $index, $entry := (.Values.settings.injection | default dict).namespaces | default list -}}
{{- $place := printf "settings.injection.namespaces[%d]" $index -}}
{{- range $name := $entry.names | uniq -}}
{{- range $earlier -}}
{{- /* Only `*` matches `*`. */ -}}
{{- if regexMatch (include "dind-webhook.namespacePattern" (list .)) $name }}
{{ $place }}: {{ $name }} never matches, because an earlier entry has {{ . }}; move or remove it
{{- break -}}
{{- end }}
{{- end }}
{{- end }}
{{- if ne (len $entry.names) (len ($entry.names | uniq)) }}
{{ $place }}: names has one name twice
{{- end }}
{{- $earlier = concat $earlier $entry.names -}}
{{- end }}
{{- end -}}
