// SPDX-License-Identifier: GPL-3.0-or-later
// An authority where workloads enrol, and a workload that does it by hand: with OpenSSL's requests and node's HTTPS.
import fs from 'node:fs'
import https from 'node:https'
import path from 'node:path'
import { Authority } from './ca.mjs'
import { port, temporary } from './files.mjs'
import { merge, World } from './gateway.mjs'
import { command, must } from './program.mjs'

export const AUDIENCE = 'sallyport'

export const DERIVED = `@id("derived")
permit (principal is ServiceAccount, action == Action::"svid:issue", resource)
when { context.derived && principal in KubernetesCluster::"main" };
@id("joined")
permit (principal is JoinToken, action == Action::"svid:issue", resource) when { context.derived };
@id("renewed")
permit (principal is Workload, action == Action::"svid:issue", resource) when { principal == resource };
`

// A World without a gateway. `clusters` and `issuers` are of the configuration; `change` is merged over authority.enrolment.
export async function authority(name, { issuers, clusters, policies = DERIVED, lifetime = '1h', change, ca } = {}) {
  const a = new World()
  a.folder = temporary(name)
  a.at = file => path.join(a.folder, file)
  a.ca = ca ?? new Authority(a.folder, 'example.org')
  a.bundle = a.ca.bundlePem
  a.server = a.ca.issue('authority', { dns: ['localhost'] })
  a.port = await port()
  a.enrolment = await port()
  a.operations = await port()
  a.audit = a.at('audit.jsonl')
  fs.mkdirSync(a.at('state'), { mode: 0o700 })
  fs.writeFileSync(a.at('passphrase'), 'a long passphrase of the test\n', { mode: 0o600 })
  fs.writeFileSync(a.at('issue.cedar'), policies)
  a.config = {
    trust_domains: [{ name: 'example.org', bundle: a.ca.bundle }],
    ...(issuers && { issuers }),
    authority: {
      issuer: `https://localhost:${a.port}`,
      addresses: [`127.0.0.1:${a.port}`],
      tls: { certificate: a.server.cert, key: a.server.key },
      state: a.at('state'),
      signing: { passphrase_file: a.at('passphrase') },
      audiences: ['sallyport'],
      policy: { files: [a.at('issue.cedar')] },
      enrolment: merge({
        url: `https://localhost:${a.enrolment}`,
        addresses: [`127.0.0.1:${a.enrolment}`],
        ca: a.ca.dir,
        lifetime,
        ...(clusters && { kubernetes: clusters })
      }, change)
    },
    audit: { file: a.audit, interval: '10ms' },
    operations: { listen: `127.0.0.1:${a.operations}` },
    log: { level: 'debug' }
  }
  a.file = a.at('authority.yaml')
  a.save()
  return a
}

export function joinToken(ca, id, { ttl, dns = [] } = {}) {
  return command('ca', 'join-token', '--dir', ca.dir, '--spiffe-id', id, ...(ttl ? ['--ttl', ttl] : []), ...dns.flatMap(d => ['--dns', d])).trim()
}

let requests = 0

// A request by OpenSSL: { key, pem }. `san` and `extensions` are as its configuration has them.
export function request(folder, { san = [], extensions = [] } = {}) {
  const at = file => path.join(folder, `request-${requests}.${file}`)
  requests++
  must('openssl', ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=whoever', '-keyout', at('key'), '-out', at('pem'),
    ...[...(san.length ? [`subjectAltName=${san.join(',')}`] : []), ...extensions].flatMap(e => ['-addext', e])])
  return { keyPem: fs.readFileSync(at('key'), 'utf8'), pem: fs.readFileSync(at('pem'), 'utf8') }
}

// Sends it; { status, headers, json, who } where `who` has the certificate and key that came of it.
export function enrol(a, { token, csr, who, path: target = '/enrol', method = 'POST', body = csr?.pem } = {}) {
  return new Promise((resolve, reject) => {
    const out = https.request({
      host: '127.0.0.1', port: a.enrolment, servername: 'localhost', ca: a.bundle, cert: who?.certPem, key: who?.keyPem, method, path: target, agent: false,
      headers: { host: `localhost:${a.enrolment}`, ...(token && { authorization: `Bearer ${token}` }), ...(body && { 'content-type': 'application/x-pem-file', 'content-length': Buffer.byteLength(body) }) }
    }, answer => {
      const chunks = []
      answer.on('data', c => chunks.push(c)).on('error', reject).on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const parsed = /json/.test(answer.headers['content-type'] ?? '') ? JSON.parse(text) : undefined
        resolve({ status: answer.statusCode, headers: answer.headers, text, json: parsed, code: parsed?.code,
          who: parsed?.certificate && { id: parsed.spiffe_id, certPem: parsed.certificate, keyPem: csr.keyPem } })
      })
    })
    out.on('error', reject).end(body)
  })
}
