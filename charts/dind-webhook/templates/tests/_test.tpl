{{/* Metadata of the objects of `helm test`. Takes root, weight, and the arguments of dind-webhook.metadata. */}}
{{- define "dind-webhook.testMetadata" -}}
{{- $hook := dict
      "helm.sh/hook" "test"
      "helm.sh/hook-weight" (toString .weight)
      "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded,hook-failed" -}}
{{- include "dind-webhook.metadata" (dict "root" .root "component" "test" "name" .name "namespace" .namespace "cluster" .cluster "labels" .labels "annotations" (mergeOverwrite $hook (.annotations | default dict))) -}}
{{- end -}}

{{- define "dind-webhook.testName" -}}
{{- printf "%s-test" (include "dind-webhook.fullname" .) -}}
{{- end -}}

{{- define "dind-webhook.testNamespace" -}}
{{- .Values.test.namespace | default (include "dind-webhook.testName" .) -}}
{{- end -}}
