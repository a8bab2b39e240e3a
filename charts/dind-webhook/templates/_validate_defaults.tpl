{{/*
Defaults that the webhook would refuse when it starts, in all namespaces and in each entry of `namespaces`. `dind-webhook settings`
checks the rest: the templates cannot parse all options.
*/}}
{{- define "dind-webhook.validate.defaults" -}}
{{- $options := (.Files.Get "files/strict.json" | fromJson).options -}}
{{- $told := list -}}
{{- range include "dind-webhook.injections" . | fromJsonArray -}}
{{- $place := .place -}}
{{- $injection := .injection -}}
{{- $own := $injection.defaults -}}
{{- $defaults := dict -}}
{{- range $name, $option := $options -}}
{{- $_ := set $defaults $name (include "dind-webhook.strict.text" (dict "value" (hasKey $own $name | ternary (get $own $name) $option.default))) -}}
{{- end -}}
{{- $sentences := list -}}
{{- range $name, $value := $injection.max -}}
{{- $bound := include "dind-webhook.strict.text" (dict "value" $value) -}}
{{- $default := get $defaults $name -}}
{{- $remedy := printf "set defaults.%s to at most %s, or raise the bound" $name $bound -}}
{{- if and $bound (has $default (list "" "none")) -}}
{{- $sentences = append $sentences (printf "max.%s is %s, but its default is unset, which is no limit: %s" $name $bound $remedy) -}}
{{- else if and $bound (include "dind-webhook.isMore" (list $default $bound)) -}}
{{- $sentences = append $sentences (printf "max.%s is %s, but its default is %s: %s" $name $bound $default $remedy) -}}
{{- end -}}
{{- end -}}
{{- range list "cpu" "memory" "ephemeral-storage" -}}
{{- $request := get $defaults (printf "%s-request" .) -}}
{{- $limit := get $defaults (printf "%s-limit" .) -}}
{{- if and $request $limit (ne $limit "none") (include "dind-webhook.isMore" (list $request $limit)) -}}
{{- $sentences = append $sentences (printf "defaults.%s-request is %s, more than %s-limit, %s: lower the request, or raise the limit" . $request . $limit) -}}
{{- end -}}
{{- end -}}
{{- $registries := list -}}
{{- range include "dind-webhook.mirrors" (get $own "registry-mirrors") | splitList "," | compact -}}
{{- $registry := regexFind "^[^=]*" . -}}
{{- if has $registry $registries -}}
{{- $sentences = append $sentences (printf "defaults.registry-mirrors has two mirrors of %q; a registry has one" $registry) -}}
{{- end -}}
{{- $registries = append $registries $registry -}}
{{- end -}}
{{- if gt (len $registries) 16 -}}
{{- $sentences = append $sentences (printf "defaults.registry-mirrors has %d items%s; at most 16 are accepted" (len $registries) ($.Values.cache.enabled | ternary ", with those of cache.upstreams" "")) -}}
{{- end -}}
{{- if contains "@" (get $defaults "proxy") -}}
{{- $sentences = append $sentences "defaults.proxy has a name or password, which everybody who may read the ConfigMap or the pods would see: let a Secret have it, in the proxies of a daemon.json (option daemon-files)" -}}
{{- end -}}
{{- if and (get $defaults "storage-data-source") (not (dig "storage" true $injection)) -}}
{{- $sentences = append $sentences "defaults.storage-data-source needs a volume at /var/lib/docker: set settings.injection.storage to true, or leave it out" -}}
{{- end -}}
{{- if and (get $defaults "storage-data-source") (eq (get $defaults "storage-medium") "Memory") -}}
{{- $sentences = append $sentences "defaults.storage-data-source cannot be combined with defaults.storage-medium Memory: remove one" -}}
{{- end -}}
{{- range $mode, $added := include "dind-webhook.addedNames" (dict "root" $ "injection" $injection "defaults" $defaults) | fromJson -}}
{{- range $option, $names := $added -}}
{{- range get $own $option | join "," | splitList "," -}}
{{- if and (has $mode $injection.modes) (has (trim .) $names) -}}
{{- $sentences = append $sentences (printf "defaults.%s has %s, which the webhook adds itself, so every pod in %s mode would be denied: leave it out" $option (trim .) $mode) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- /* An entry has the mistakes of all namespaces too. */ -}}
{{- range uniq $sentences -}}
{{- if not (has . $told) }}
{{ $place }}.{{ . }}
{{- end }}
{{- end }}
{{- $told = concat $told $sentences -}}
{{- end }}
{{- end -}}

{{/*
The containers and volumes that the webhook adds to each pod of a mode: for each mode, the names that options cannot have. Takes
(dict "root" $ "injection" … "defaults" …), with texts as defaults. Returns JSON.
*/}}
{{- define "dind-webhook.addedNames" -}}
{{- $s := mergeOverwrite (.root.Files.Get "files/strict.json" | fromJson).settings .injection -}}
{{- $client := list -}}
{{- if not (has .defaults.client (list "" "false")) -}}
{{- $client = list $s.client_volume -}}
{{- end -}}
{{- $imageVolume := list -}}
{{- if and $client $s.image_volumes -}}
{{- $imageVolume = list $s.client_image_volume -}}
{{- end -}}
{{- /* The daemon never gets these four, whether the webhook adds them or not. */ -}}
{{- $sidecar := list $s.run_volume $s.storage_volume $s.config_volume $s.client_volume -}}
{{- range $option, $volume := dict "ca" $s.ca_volume "daemon-files" $s.files_volume "registry-secret" $s.registry_volume -}}
{{- if get $.defaults $option -}}{{- $sidecar = append $sidecar $volume -}}{{- end -}}
{{- end -}}
{{- if eq .defaults.isolation "none" -}}{{- $sidecar = concat $sidecar $imageVolume -}}{{- end -}}
{{- dict
      "sidecar" (dict "containers" (list $s.container_name) "share-volumes" $sidecar)
      "daemonset" (dict
        "containers" (ne .defaults.wait "false" | ternary (list $s.wait_container_name) list)
        "share-volumes" (concat (list $s.run_volume) $client $imageVolume))
      | toJson -}}
{{- end -}}

{{/* Takes two quantities. Returns true if the first is more, or nothing. */}}
{{- define "dind-webhook.isMore" -}}
{{- $amounts := list -}}
{{- range . -}}{{- $amounts = append $amounts (include "dind-webhook.amount" . | float64) -}}{{- end -}}
{{- /* A difference in the last digits can come from rounding. The webhook compares exactly. */ -}}
{{- if gt (first $amounts) (mulf (last $amounts) 1.000000000001) -}}true{{- end -}}
{{- end -}}

{{/* The number that a quantity stands for. */}}
{{- define "dind-webhook.amount" -}}
{{- $units := dict
      "" 1 "n" 0.000000001 "u" 0.000001 "m" 0.001
      "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18
      "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 -}}
{{- $number := regexFind "^[+-]?[0-9.]+" . -}}
{{- $unit := trimPrefix $number . -}}
{{- hasKey $units $unit | ternary (mulf (float64 $number) (get $units $unit)) (float64 .) -}}
{{- end -}}
