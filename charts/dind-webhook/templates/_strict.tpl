{{/*
Translates settings of injection for the strict policy. Takes (dict "root" $ "injection" …). files/strict.json has the facts of the injection code (`make
reference`); the settings select from them. Everything is returned as JSON; a JSON text or list of texts is also valid CEL.
*/}}
{{- define "dind-webhook.strict" -}}
{{- $facts := .root.Files.Get "files/strict.json" | fromJson -}}
{{- $s := deepCopy $facts.settings -}}
{{- range $name, $value := .injection -}}
{{- $_ := set $s $name $value -}}
{{- end -}}
{{- $defaults := dict -}}
{{- range $name, $option := $facts.options -}}
{{- $value := hasKey $s.defaults $name | ternary (get $s.defaults $name) $option.default -}}
{{- if and (kindIs "slice" $value) (ne $name "dockerd-args") -}}{{- $value = join "," $value -}}{{- end -}}
{{- $_ := set $defaults $name (include "dind-webhook.strict.text" (dict "value" $value)) -}}
{{- end -}}
{{- $variant := list -}}
{{- range $facts.variants -}}
{{- $variant = append $variant (printf "%s=%t" . (get $s .)) -}}
{{- end -}}
{{- $flags := include "dind-webhook.strict.flags" (dict "facts" $facts "settings" $s "defaults" $defaults) | fromJson -}}
{{- $isolations := include "dind-webhook.strict.isolations" (dict "settings" $s "defaults" $defaults "daemon" (get $facts.daemon (join "," $variant))) | fromJsonArray -}}
{{- $names := list -}}
{{- range $isolations -}}{{- $names = append $names .name -}}{{- end -}}
{{- $statuses := list -}}
{{- range $s.modes -}}
{{- $statuses = append $statuses (dict "mode" . "pattern" (get $facts.status . | replace "{isolation}" (printf "(%s)" (join "|" $names)))) -}}
{{- end -}}
{{- dict
      "facts" $facts
      "settings" $s
      "defaults" $defaults
      "isolations" $isolations
      "fixedFlags" ($flags.fixed | default list)
      "openFlags" $flags.open
      "images" (include "dind-webhook.strict.images" (dict "settings" $s) | trim)
      "statuses" $statuses | toJson -}}
{{- end -}}

{{/*
The isolations that pods may have, each with its RuntimeClass and the facts about its daemon. Pods with isolation auto have userns or none.
*/}}
{{- define "dind-webhook.strict.isolations" -}}
{{- $allowed := append .settings.allowed_isolations (get .defaults "isolation") -}}
{{- if has "auto" $allowed -}}{{- $allowed = concat $allowed (list "none" "userns") -}}{{- end -}}
{{- $isolations := list -}}
{{- range $name := without (uniq $allowed | sortAlpha) "auto" -}}
{{- $class := get $.settings.runtime_classes $name | default "" -}}
{{- $fact := and (ne $class "") (eq $name "userns") | ternary "userns-with-class" $name -}}
{{- if hasKey $.daemon $fact -}}
{{- $daemon := mustMerge dict (get $.daemon $fact) (get $.daemon "none") -}}
{{- $isolations = append $isolations (dict "name" $name "class" $class "daemon" $daemon) -}}
{{- end -}}
{{- end -}}
{{- toJson $isolations -}}
{{- end -}}

{{/* CEL that chooses the daemon's `member` by the isolation of the pod. */}}
{{- define "dind-webhook.strict.byIsolation" -}}
{{- $texts := list -}}
{{- range .isolations -}}{{- $texts = append $texts (get .daemon $.member) -}}{{- end -}}
{{- if eq (len (uniq $texts)) 1 -}}
{{- first $texts -}}
{{- else -}}
({{ range $index, $isolation := initial .isolations }}variables.isolation == {{ toJson .name }} ? {{ index $texts $index }} : {{ end }}{{ last $texts }})
{{- end -}}
{{- end -}}

{{/*
The variables that a proxy adds to the daemon, as JSON: from the name to an expression of its values. Variables that the
default of `env` sets, in either spelling, are not among them. "strict" and "environment" are the arguments.
*/}}
{{- define "dind-webhook.strict.proxy" -}}
{{- $s := .strict.settings -}}
{{- $facts := .strict.facts.proxy -}}
{{- $url := get .strict.defaults "proxy" -}}
{{- $variables := dict -}}
{{- if or $url (has "proxy" $s.allowed_options) -}}
{{- $direct := $facts.direct_hosts -}}
{{- with get .strict.defaults "no-proxy" -}}{{- $direct = concat $direct (regexSplit " *, *" (trim .) -1) | uniq -}}{{- end -}}
{{- $values := dict "proxy" (regexQuoteMeta $url) "no-proxy" (join "," $direct | regexQuoteMeta) -}}
{{- range $option, $pattern := $facts.patterns -}}
{{- if has $option $s.allowed_options -}}{{- $_ := set $values $option $pattern -}}{{- end -}}
{{- end -}}
{{- $names := list -}}
{{- range $name := keys .environment -}}{{- $names = append $names (upper $name) -}}{{- end -}}
{{- range $name, $text := $facts.variables -}}
{{- if not (or (has $name $names) (and (eq $name $.strict.facts.client_config_variable) (not $s.start_script))) -}}
{{- range $option, $pattern := $values -}}{{- $text = replace (printf "{%s}" $option) $pattern $text -}}{{- end -}}
{{- $_ := set $variables $name (printf "^%s$" $text) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $variables -}}
{{- end -}}

{{/* The text of an annotation for a default that YAML may have parsed as another type. */}}
{{- define "dind-webhook.strict.text" -}}
{{- $value := .value -}}
{{- if or (kindIs "map" $value) (kindIs "slice" $value) -}}
{{- toJson $value -}}
{{- else if and (kindIs "float64" $value) (eq (float64 (int64 $value)) $value) -}}
{{- int64 $value -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- toString $value -}}
{{- end -}}
{{- end -}}

{{/*
Flags of dockerd that options set: `fixed`, the flags of defaults that pods may not change, and `open`, a regular expression
for the flags that pods may set.
*/}}
{{- define "dind-webhook.strict.flags" -}}
{{- $fixed := list -}}
{{- $open := list -}}
{{- range $name, $option := .facts.options -}}
{{- if $option.flags -}}
{{- $default := get $.defaults $name -}}
{{- $own := list -}}
{{- $items := empty $default | ternary list ($option.list | ternary (splitList "," $default) (list $default)) -}}
{{- if eq $name "registry-mirrors" -}}{{- $items = include "dind-webhook.mirrors.flags" $default | fromJsonArray -}}{{- end -}}
{{- range $item := $items -}}
{{- $value := trim $item -}}
{{- with $option.text -}}{{- $value = regexReplaceAll . $value $option.value -}}{{- end -}}
{{- range $flag := $option.flags -}}
{{- if or $.settings.tls_flag (not (has $flag $option.only_with_tls_flag)) -}}
{{- $own = append $own (replace "{}" $value $flag) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if has $name $.settings.allowed_options -}}
{{- /* Empty if every value listens on other than loopback */ -}}
{{- with get $option (and $.settings.allow_public_tcp (hasKey $option "public_pattern") | ternary "public_pattern" "pattern") -}}{{- $open = append $open . -}}{{- end -}}
{{- range $own -}}{{- $open = append $open (regexQuoteMeta .) -}}{{- end -}}
{{- else -}}
{{- $fixed = concat $fixed (uniq $own) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $arguments := get .defaults "dockerd-args" -}}
{{- range default "[]" $arguments | fromJsonArray -}}
{{- if has "dockerd-args" $.settings.allowed_options -}}
{{- $open = append $open (regexQuoteMeta .) -}}
{{- else -}}
{{- $fixed = append $fixed . -}}
{{- end -}}
{{- end -}}
{{- dict "fixed" $fixed "open" (empty $open | ternary "" (printf "^(%s)$" (join "|" $open))) | toJson -}}
{{- end -}}

{{/*
A regular expression for the images that pods may choose. `*` matches anything except `/` and `@`. The registry and library
prefix that Docker Hub implies may be written out.
*/}}
{{- define "dind-webhook.strict.images" -}}
{{- $patterns := list -}}
{{- range .settings.allowed_images -}}
{{- $pattern := . -}}
{{- $hub := contains "/" $pattern | ternary "" "((index\\.)?docker\\.io/)?(library/)?" -}}
{{- if regexMatch "^(index\\.)?docker\\.io/" $pattern -}}
{{- $pattern = regexReplaceAll "^(index\\.)?docker\\.io/" $pattern "" -}}
{{- $hub = "((index\\.)?docker\\.io/)?" -}}
{{- if regexMatch "^library/[^/]*$" $pattern -}}
{{- $pattern = trimPrefix "library/" $pattern -}}
{{- $hub = "((index\\.)?docker\\.io/)?(library/)?" -}}
{{- end -}}
{{- end -}}
{{- $patterns = append $patterns (printf "%s%s" $hub (regexQuoteMeta $pattern | replace "\\*" "[^/@]*")) -}}
{{- end -}}
{{- if $patterns -}}
{{- printf "^(%s)$" (join "|" $patterns) -}}
{{- end -}}
{{- end -}}

{{/*
CEL: each resource of container `c` has an amount that pods may have: the default of an option that pods may not set, or at
most the bound of the option.
*/}}
{{- define "dind-webhook.strict.resources" -}}
{{- $conditions := list -}}
{{- range $name, $option := .facts.options -}}
{{- if $option.resource -}}
{{- $amount := printf "c.?resources[?%q][?%q].orValue('0')" (index $option.resource 0) (index $option.resource 1) -}}
{{- $fixed := and (not $option.depends_on_pod) (not (has $name $.settings.allowed_options)) -}}
{{- $condition := include "dind-webhook.strict.amount" (dict "strict" $ "name" $name "amount" $amount "fixed" $fixed) -}}
{{- if $condition -}}{{- $conditions = append $conditions $condition -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- default "true" (join " && " $conditions) -}}
{{- end -}}

{{/*
CEL: `amount`, the CEL of a quantity, is one that option `name` can lead to; empty if that is any amount. A `fixed` option has
its default. To kubelet, a limit of 0 is no limit.
*/}}
{{- define "dind-webhook.strict.amount" -}}
{{- $default := get .strict.defaults .name -}}
{{- $bound := include "dind-webhook.strict.text" (dict "value" (get .strict.settings.max .name)) -}}
{{- if and .fixed $default (ne $default "none") -}}
quantity({{ .amount }}).compareTo(quantity({{ toJson $default }})) == 0
{{- else if $bound -}}
quantity({{ .amount }}).compareTo(quantity({{ toJson $bound }})) <= 0
{{- if not (eq .name "ephemeral-storage-request") }} && quantity({{ .amount }}).isGreaterThan(quantity("0")){{ end -}}
{{- end -}}
{{- end -}}

{{/* CEL: the storage options allow volume `v`. */}}
{{- define "dind-webhook.strict.storage" -}}
{{- $s := .settings -}}
{{- $default := get .defaults "storage-medium" -}}
{{- $class := get .defaults "storage-class" -}}
{{- $source := get .defaults "storage-data-source" -}}
{{- if or $class $source -}}{{- $default = "Volume" -}}{{- end -}}
{{- $media := list $default -}}
{{- if has "storage-medium" $s.allowed_options -}}{{- $media = list "Disk" "Memory" "Volume" -}}{{- end -}}
{{- if or (has "storage-class" $s.allowed_options) (has "storage-data-source" $s.allowed_options) -}}{{- $media = append $media "Volume" | uniq -}}{{- end -}}
{{- $fixed := not (has "storage-size" $s.allowed_options) -}}
{{- $kinds := list -}}
{{- range $media -}}
{{- $kind := list -}}
{{- if eq . "Volume" -}}
{{- $kind = append $kind "'ephemeral' in v" -}}
{{- $claim := "v.ephemeral.volumeClaimTemplate.spec" -}}
{{- $amount := printf "%s.?resources.?requests.?storage.orValue('0')" $claim -}}
{{- with include "dind-webhook.strict.amount" (dict "strict" $ "name" "storage-size" "amount" $amount "fixed" $fixed) -}}
{{- $kind = append $kind . -}}
{{- end -}}
{{- if and $class (not (has "storage-class" $s.allowed_options)) -}}
{{- $kind = append $kind (printf "%s.?storageClassName.orValue('') == %s" $claim (toJson $class)) -}}
{{- end -}}
{{- /* A data source of dataSourceRef can be in another namespace. */ -}}
{{- $kind = append $kind (printf "!has(%s.dataSourceRef)" $claim) -}}
{{- /* The API server writes null for the core group. */ -}}
{{- $sourceKind := printf "(dyn(%[1]s.dataSource.?apiGroup.orValue(null)) == null ? '' : %[1]s.dataSource.apiGroup) + '/' + %[1]s.dataSource.kind" $claim -}}
{{- if has "storage-data-source" $s.allowed_options -}}
{{- $kind = append $kind (printf "(!has(%s.dataSource) || %s in %s)" $claim $sourceKind ($.facts.data_sources | values | sortAlpha | toJson)) -}}
{{- else if $source -}}
{{- $parts := splitList "/" $source -}}
{{- $kind = append $kind (printf "has(%s.dataSource) && %s == %s && %s.dataSource.name == %s" $claim $sourceKind (get $.facts.data_sources (first $parts) | toJson) $claim (last $parts | toJson)) -}}
{{- else -}}
{{- $kind = append $kind (printf "!has(%s.dataSource)" $claim) -}}
{{- end -}}
{{- else -}}
{{- $kind = append $kind (printf "'emptyDir' in v && v.emptyDir.?medium.orValue('') == %s" (eq . "Memory" | ternary "'Memory'" "''")) -}}
{{- with include "dind-webhook.strict.amount" (dict "strict" $ "name" "storage-size" "amount" "v.emptyDir.?sizeLimit.orValue('0')" "fixed" $fixed) -}}
{{- $kind = append $kind . -}}
{{- end -}}
{{- end -}}
{{- $kinds = append $kinds (join " && " $kind | printf "(%s)") -}}
{{- end -}}
{{- join " || " $kinds -}}
{{- end -}}
