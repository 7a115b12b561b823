{{/* SPDX-License-Identifier: GPL-3.0-or-later */}}
{{/* The authority's configuration: what the chart knows, and over it authority.config. */}}

{{- define "sallyport.authority.bundle" -}}
{{- ternary "/var/lib/sallyport/ca/bundle.pem" "/etc/sallyport/trust/bundle.pem" .Values.authority.ca.enabled -}}
{{- end -}}

{{- define "sallyport.authority.config" -}}
{{- $authority := .Values.authority -}}
{{- $tls := dict "certificate" "/etc/sallyport/tls/tls.crt" "key" "/etc/sallyport/tls/tls.key" -}}
{{- if $authority.ca.enabled -}}
{{- $tls = dict "certificate" "/var/lib/sallyport/tls/cert.pem" "key" "/var/lib/sallyport/tls/key.pem" -}}
{{- end -}}
{{- $own := dict
      "issuer" (include "sallyport.authority.issuer" .)
      "addresses" (list (printf "%s:%v" $authority.bindAddress $authority.port))
      "tls" $tls
      "state" "/var/lib/sallyport/state"
      "signing" (dict "passphrase_file" "/etc/sallyport/passphrases/signing")
      "audiences" $authority.audiences
      "policy" (dict "files" (list "/etc/sallyport/policies"))
      "feed" true
      "followers" (list (include "sallyport.gateway.id" .)) -}}
{{- if $authority.revokers -}}
{{- $_ := set $own "revokers" $authority.revokers -}}
{{- end -}}
{{- if include "sallyport.enrolment.enabled" . -}}
{{- $enrolment := $authority.enrolment -}}
{{- $cluster := dict
      "cluster" "kubernetes"
      "token_review" (dict
        "url" $enrolment.apiServer
        "issuer" (default (printf "https://kubernetes.default.svc.%s" .Values.clusterDomain) $enrolment.issuer)
        "audience" $enrolment.audience
        "bearer_token_file" "/var/run/sallyport/api/token"
        "tls" (dict "ca" "/var/run/sallyport/api/ca.crt"))
      "namespaces" (ternary (append $enrolment.namespaces .Release.Namespace) $enrolment.namespaces (ne "" (include "sallyport.gateway.enrols" .)) | uniq) -}}
{{- if $enrolment.dns -}}
{{- $_ := set $cluster "dns" $enrolment.dns -}}
{{- end -}}
{{- $_ := set $own "enrolment" (dict
      "url" (include "sallyport.enrolment.url" .)
      "addresses" (list (printf "%s:%v" $authority.bindAddress $enrolment.port))
      "ca" "/var/lib/sallyport/ca"
      "ca_passphrase_file" "/etc/sallyport/passphrases/ca"
      "lifetime" $enrolment.lifetime
      "kubernetes" (list $cluster)) -}}
{{- end -}}
{{- $config := dict
      "trust_domains" (list (dict "name" .Values.trustDomain "bundle" (include "sallyport.authority.bundle" .)))
      "authority" $own
      "revocations" (dict "store" "/var/lib/sallyport/revoked.db")
      "audit" (dict "file" "/var/lib/sallyport/audit.jsonl" "sync" "request" "stdout" true "rotate" (dict "size" "64MiB" "keep" 8))
      "operations" (dict "listen" (printf "%s:%v" $authority.bindAddress $authority.operationsPort))
      "log" (dict "format" "json") -}}
{{- toYaml (mergeOverwrite $config $authority.config) -}}
{{- end -}}

{{/* What a running authority does not take up (docs/architecture.md). */}}
{{- define "sallyport.authority.fixed" -}}
{{- $config := include "sallyport.authority.config" . | fromYaml -}}
{{- dict "authority" (pick $config.authority "addresses" "state" "signing" "lifetime") "operations" $config.operations "audit" $config.audit
      "enrolment" (pick (default (dict) $config.authority.enrolment) "addresses" "ca")
      "store" $config.revocations.store "ca" .Values.authority.ca | toJson | sha256sum -}}
{{- end -}}
