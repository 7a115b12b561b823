{{/* SPDX-License-Identifier: GPL-3.0-or-later */}}
{{/* The gateway's configuration: what the chart knows, and over it gateway.config, in the program's own keys (docs/config.md). */}}

{{- define "sallyport.gateway.certificate" -}}
{{- $certificate := .Values.gateway.certificate -}}
{{- if eq $certificate.source "enrol" -}}
/var/lib/sallyport/own/tls/cert.pem
{{- else if eq $certificate.source "csi" -}}
/etc/sallyport/tls/{{ $certificate.csi.certificateFile }}
{{- else -}}
/etc/sallyport/tls/{{ $certificate.secret.certificateKey }}
{{- end -}}
{{- end -}}
{{- define "sallyport.gateway.key" -}}
{{- $certificate := .Values.gateway.certificate -}}
{{- if eq $certificate.source "enrol" -}}
/var/lib/sallyport/own/tls/key.pem
{{- else if eq $certificate.source "csi" -}}
/etc/sallyport/tls/{{ $certificate.csi.keyFile }}
{{- else -}}
/etc/sallyport/tls/{{ $certificate.secret.keyKey }}
{{- end -}}
{{- end -}}

{{- define "sallyport.gateway.config" -}}
{{- $gateway := .Values.gateway -}}
{{- $host := include "sallyport.gateway.host" . -}}
{{- $any := include "sallyport.gateway.anyHost" . -}}
{{- $authorities := list -}}
{{- range list $host $any -}}
{{- $authorities = concat $authorities (list (printf "%s:%v" . $gateway.port) (printf "%s.%s:%v" . $.Values.clusterDomain $gateway.port)) -}}
{{- end -}}
{{- $authorities = concat $authorities $gateway.authorities -}}
{{- $tls := dict "certificate" (include "sallyport.gateway.certificate" .) "key" (include "sallyport.gateway.key" .) -}}
{{- $bundle := "/etc/sallyport/trust/bundle.pem" -}}
{{- $listener := $tls -}}
{{- if eq $gateway.certificate.source "enrol" -}}
{{- if not (include "sallyport.enrolment.enabled" .) -}}
{{- fail "gateway.certificate.source: enrol asks this release's authority, whose enrolment is off: choose secret or csi" -}}
{{- end -}}
{{- $listener = dict "enrol" (dict
      "url" (include "sallyport.enrolment.url" .)
      "ca" $bundle
      "authority" (include "sallyport.authority.id" .)
      "token_file" "/var/run/sallyport/identity/token"
      "state" "/var/lib/sallyport/own/tls") -}}
{{- with $gateway.certificate.dnsNames -}}
{{- $_ := set $listener.enrol "dns" . -}}
{{- end -}}
{{- end -}}
{{- $toAuthority := merge (dict "ca" $bundle "spiffe_id" (include "sallyport.authority.id" .)) $tls -}}
{{- $config := dict
      "listener" (dict
        "addresses" (list (printf "%s:%v" $gateway.bindAddress $gateway.port))
        "authorities" $authorities
        "tls" $listener
        "timeouts" (dict "drain" (printf "%ds" (int $gateway.drainSeconds))))
      "trust_domains" (list (dict "name" .Values.trustDomain "bundle" $bundle))
      "dpop" (dict "nonce" "required")
      "audit" (dict "file" "/var/log/sallyport/audit.jsonl" "stdout" true "rotate" (dict "size" "256MiB" "keep" 8))
      "operations" (dict "listen" (printf "%s:%v" $gateway.bindAddress $gateway.operationsPort))
      "log" (dict "format" "json")
-}}
{{- $issuers := list -}}
{{- if .Values.authority.enabled -}}
{{- $issuers = list (dict
      "name" "authority"
      "issuer" (include "sallyport.authority.issuer" .)
      "jwks_url" (printf "%s/oauth2/jwks" (include "sallyport.authority.issuer" .))
      "fetch" (dict "tls" $toAuthority)
      "audiences" .Values.authority.audiences
      "algorithms" (list "ES256" "EdDSA")
      "binding" "either"
      "scopes" $gateway.authorityIssuer.scopes
      "asserts" (merge (dict "trust_domains" (list .Values.trustDomain)) $gateway.authorityIssuer.asserts)) -}}
{{- $_ := set $config "revocations" (dict "feed" (dict
      "url" (printf "%s/revocations" (include "sallyport.authority.issuer" .))
      "issuer" "authority"
      "tls" $toAuthority)) -}}
{{- end -}}
{{- $issuers = concat $issuers (default (list) $gateway.config.issuers) -}}
{{- $policy := dict -}}
{{- if $gateway.policyBundle.enabled -}}
{{- $_ := set $policy "bundle" (dict
      "file" (printf "/etc/sallyport/bundle/%s" $gateway.policyBundle.file)
      "keys" (printf "/etc/sallyport/bundle-keys/%s" $gateway.policyBundle.keys.key)
      "last_good" "/var/lib/sallyport/policies") -}}
{{- else -}}
{{- if or $gateway.policies $gateway.policyConfigMaps -}}
{{- $_ := set $policy "files" (list "/etc/sallyport/policies") -}}
{{- end -}}
{{- if $gateway.entities -}}
{{- $_ := set $policy "entities" "/etc/sallyport/config/entities.yaml" -}}
{{- end -}}
{{- $owners := list -}}
{{- range $gateway.policyOwners -}}
{{- $owners = append $owners (dict "name" .name "scope" .scope "files" (list (printf "/etc/sallyport/owners/%s" .name))) -}}
{{- end -}}
{{- if $owners -}}
{{- $_ := set $policy "owners" $owners -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "policy" $policy -}}
{{- toYaml (mergeOverwrite $config (omit $gateway.config "issuers") (dict "issuers" $issuers)) -}}
{{- end -}}

{{/* What a running gateway does not take up: when it changes, pods are replaced; everything else is read again by itself. */}}
{{- define "sallyport.gateway.fixed" -}}
{{- $config := include "sallyport.gateway.config" . | fromYaml -}}
{{- dict "listener" (dict "addresses" $config.listener.addresses "enrol" (default (dict) $config.listener.tls.enrol)) "operations" $config.operations "audit" $config.audit "loops" (default 0 $config.loops)
      "dpop" (pick $config.dpop "replay" "nonce_lifetime") "limits" (pick (default (dict) $config.limits) "buckets")
      "store" (default "" (default (dict) $config.revocations).store) | toJson | sha256sum -}}
{{- end -}}
