// SPDX-License-Identifier: GPL-3.0-or-later
// Certificates: from `sallyport ca`, and from the OpenSSL command line, which shares no code with the gateway.
import fs from 'node:fs'
import path from 'node:path'
import { command, must } from './program.mjs'

// Files of one workload: { cert, key, certPem, keyPem }; cert is the chain, leaf first.
function workload(folder) {
  const cert = path.join(folder, 'cert.pem')
  const key = path.join(folder, 'key.pem')
  return { cert, key, certPem: fs.readFileSync(cert, 'utf8'), keyPem: fs.readFileSync(key, 'utf8') }
}

export class Authority {
  constructor(folder, trustDomain) {
    this.folder = folder
    this.trustDomain = trustDomain
    this.dir = path.join(folder, `ca-${trustDomain}`)
    this.bundle = path.join(this.dir, 'bundle.pem')
    command('ca', 'init', '--trust-domain', trustDomain, '--dir', this.dir, '--no-passphrase')
  }

  get bundlePem() { return fs.readFileSync(this.bundle, 'utf8') }

  id(name) { return `spiffe://${this.trustDomain}/${name}` }

  // `name` is the path of the SPIFFE ID.
  issue(name, { dns = [], ttl = '24h', out = name } = {}) {
    const folder = path.join(this.folder, `${this.trustDomain}-${out.replaceAll('/', '_')}`)
    command('ca', 'issue', '--dir', this.dir, '--spiffe-id', this.id(name), '--out', folder, '--ttl', ttl, '--force', ...dns.flatMap(d => ['--dns', d]))
    return { id: this.id(name), ...workload(folder) }
  }

  revoke(certificate) { command('ca', 'revoke', '--dir', this.dir, '--cert', certificate.cert) }

  // The PEM of the present CRLs.
  crl() { return command('ca', 'crl', '--dir', this.dir) }
}

// A CA and leaves made by OpenSSL alone.
export class OpenSslAuthority {
  constructor(folder, trustDomain) {
    this.folder = path.join(folder, `openssl-${trustDomain}`)
    this.trustDomain = trustDomain
    fs.mkdirSync(this.folder)
    this.bundle = path.join(this.folder, 'ca.pem')
    this.caKey = path.join(this.folder, 'ca.key')
    must('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', this.caKey, '-out', this.bundle,
      '-subj', `/O=${trustDomain}`, '-days', '30', '-addext', `subjectAltName=URI:spiffe://${trustDomain}`,
      '-addext', 'keyUsage=critical,keyCertSign,cRLSign'])
  }

  get bundlePem() { return fs.readFileSync(this.bundle, 'utf8') }

  id(name) { return `spiffe://${this.trustDomain}/${name}` }

  // `not` is [begin, end] as Date when it is not to be the next day.
  issue(name, { dns = [], not, out = name } = {}) {
    const at = file => path.join(this.folder, `${out.replaceAll('/', '_')}.${file}`)
    const extensions = ['basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature', 'extendedKeyUsage=clientAuth,serverAuth',
      `subjectAltName=${[`URI:${this.id(name)}`, ...dns.map(d => `DNS:${d}`)].join(',')}`]
    const [begin, end] = (not ?? [new Date(Date.now() - 60000), new Date(Date.now() + 86400000)])
      .map(d => d.toISOString().replace(/[-:T]|\.\d+/g, ''))
    fs.writeFileSync(at('cnf'), `[ca]\ndefault_ca=x\n[x]\ndatabase=${at('index')}\nnew_certs_dir=${this.folder}\nrand_serial=yes\ndefault_md=sha256\n` +
      `policy=any\nunique_subject=no\nx509_extensions=leaf\n[any]\norganizationName=optional\n[leaf]\n${extensions.join('\n')}\n`)
    fs.writeFileSync(at('index'), '')
    must('openssl', ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('key'), '-out', at('csr'), '-subj', '/O=workload'])
    must('openssl', ['ca', '-batch', '-notext', '-config', at('cnf'), '-cert', this.bundle, '-keyfile', this.caKey, '-in', at('csr'), '-out', at('pem'),
      '-startdate', begin, '-enddate', end])
    return { id: this.id(name), cert: at('pem'), key: at('key'), certPem: fs.readFileSync(at('pem'), 'utf8'), keyPem: fs.readFileSync(at('key'), 'utf8') }
  }
}
