// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport ca` as a platform team uses it: the real process, and OpenSSL's opinion of everything it makes.
// One thread.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const sallyport = path.resolve(process.env.SALLYPORT_BIN ?? path.join(repository, 'build/sallyport'))

let top // every test's files

before(() => { top = fs.mkdtempSync(path.join(os.tmpdir(), 'sallyport-ca-')) })
after(() => { fs.rmSync(top, { recursive: true, force: true }) })

const at = (...names) => path.join(top, ...names)

function run(program, args, options = {}) {
  const result = spawnSync(program, args, { encoding: 'utf8', cwd: top, ...options })
  if (result.error) throw result.error
  return { status: result.status, out: result.stdout, err: result.stderr }
}

function ca(...args) {
  return run(sallyport, ['ca', ...args])
}

function ok(result) {
  assert.equal(result.status, 0, `${result.out}${result.err}`)
  return result.out
}

const openssl = (...args) => run('openssl', args)

// OpenSSL on a leaf with what `ca issue` wrote beside it.
function verify(dir, ...more) {
  return openssl('verify', '-x509_strict', '-CAfile', at(dir, 'bundle.pem'), '-untrusted', at(dir, 'cert.pem'), ...more, at(dir, 'cert.pem'))
}

function newCa(name, ...options) {
  ok(ca('init', '--trust-domain', 'example.org', '--dir', at(name), '--no-passphrase', ...options))
  return name
}

function issue(dir, id, out, ...options) {
  return JSON.parse(ok(ca('issue', '--dir', at(dir), '--spiffe-id', id, '--out', at(out), '--json', ...options)))
}

function request(name, ...options) {
  ok(openssl('req', '-new', '-nodes', '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`), ...options))
  return at(`${name}.csr`)
}

const P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
const spki = file => createHash('sha256').update(new X509Certificate(fs.readFileSync(file)).publicKey.export({ type: 'spki', format: 'der' })).digest('hex')
const mode = file => (fs.statSync(file).mode & 0o777).toString(8)

test('OpenSSL verifies what ca issue makes, as client and as server', () => {
  newCa('plain')
  for (const type of ['p256', 'p384', 'ed25519']) {
    issue('plain', `spiffe://example.org/rag/${type}`, `w-${type}`, '--dns', 'localhost', '--key-type', type)
    for (const purpose of ['sslclient', 'sslserver']) ok(verify(`w-${type}`, '-purpose', purpose))
    ok(verify(`w-${type}`, '-verify_hostname', 'localhost'))
    assert.equal(mode(at(`w-${type}`, 'key.pem')), '600')
    assert.equal(mode(at(`w-${type}`)), '700')
    ok(openssl('pkey', '-in', at(`w-${type}`, 'key.pem'), '-check', '-noout'))
  }
})

test('a certificate has the profile of an X.509-SVID', () => {
  const text = ok(openssl('x509', '-in', at('w-p256', 'cert.pem'), '-noout', '-text'))
  assert.match(text, /Subject Alternative Name:\s+URI:spiffe:\/\/example\.org\/rag\/p256, DNS:localhost\n/)
  assert.match(text, /Basic Constraints: critical\s+CA:FALSE/)
  assert.match(text, /Key Usage: critical\s+Digital Signature\n/)
  assert.match(text, /Extended Key Usage:\s+TLS Web Client Authentication, TLS Web Server Authentication\n/)
  assert.match(text, /Authority Key Identifier/)
  assert.doesNotMatch(text, /Subject:.*CN\s*=/)
})

test('the CAs have path lengths, name constraints and the URI of the trust domain', () => {
  for (const [kind, length] of [['root', 1], ['issuing', 0]]) {
    const text = ok(openssl('x509', '-in', at('plain', kind, 'cert.pem'), '-noout', '-text'))
    assert.match(text, new RegExp(`Basic Constraints: critical\\s+CA:TRUE, pathlen:${length}\\n`))
    assert.match(text, /Name Constraints: critical\s+Permitted:\s+URI:example\.org\n/)
    assert.match(text, /Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
    assert.match(text, /Subject Alternative Name:\s+URI:spiffe:\/\/example\.org\n/)
  }
  ok(openssl('verify', '-x509_strict', '-CAfile', at('plain', 'bundle.pem'), at('plain', 'issuing', 'cert.pem')))
})

test('dates are exact: five minutes back, the lifetime forward', () => {
  const started = Math.floor(Date.now() / 1000)
  const made = issue('plain', 'spiffe://example.org/dates', 'w-dates', '--ttl', '36h')
  const certificate = new X509Certificate(fs.readFileSync(at('w-dates', 'cert.pem')))
  assert.equal(Date.parse(certificate.validTo), Date.parse(made.not_after))
  const end = Date.parse(certificate.validTo) / 1000 - 36 * 3600
  assert.ok(end >= started && end <= started + 5, 'notAfter is now + ttl')
  assert.ok(Date.parse(certificate.validFrom) / 1000 >= started - 300 - 5)
})

test('a lifetime past the issuing CA is shortened, and that is said', () => {
  const result = ca('issue', '--dir', at('plain'), '--spiffe-id', 'spiffe://example.org/long', '--out', at('w-long'), '--ttl', '5000d')
  ok(result)
  assert.match(result.err, /ends with the issuing CA/)
  const leaf = new X509Certificate(fs.readFileSync(at('w-long', 'cert.pem')))
  const issuer = new X509Certificate(fs.readFileSync(at('plain', 'issuing', 'cert.pem')))
  assert.equal(leaf.validTo, issuer.validTo)
})

test('another trust domain, a bad ID or a bad name gets nothing', () => {
  for (const id of ['spiffe://other.org/a', 'spiffe://example.org', 'spiffe://example.org/../a', 'https://example.org/a', 'rag']) {
    const result = ca('issue', '--dir', at('plain'), '--spiffe-id', id, '--out', at('w-none'))
    assert.equal(result.status, 1, id)
    assert.ok(!fs.existsSync(at('w-none', 'cert.pem')))
  }
  assert.equal(ca('issue', '--dir', at('plain'), '--spiffe-id', 'spiffe://example.org/a', '--dns', '*.example.org', '--out', at('w-none')).status, 1)
  assert.ok(!fs.existsSync(at('w-none', 'key.pem')))
})

test('ca issue does not replace a key unless told to', () => {
  const before = fs.readFileSync(at('w-p256', 'key.pem'))
  assert.equal(ca('issue', '--dir', at('plain'), '--spiffe-id', 'spiffe://example.org/rag/p256', '--out', at('w-p256')).status, 1)
  assert.deepEqual(fs.readFileSync(at('w-p256', 'key.pem')), before)
})

test('names in a request are not granted, and that is said', () => {
  const csr = request('greedy', ...P256, '-subj', '/CN=admin', '-addext', 'subjectAltName=URI:spiffe://example.org/admin,DNS:evil.example,IP:10.0.0.1')
  const result = ca('sign', '--dir', at('plain'), '--csr', csr, '--spiffe-id', 'spiffe://example.org/modest', '--out', at('w-csr'))
  ok(result)
  for (const name of ['CN=admin', 'URI:spiffe://example.org/admin', 'DNS:evil.example', 'IP:10.0.0.1']) assert.ok(result.err.includes(name), name)
  const text = ok(openssl('x509', '-in', at('w-csr', 'cert.pem'), '-noout', '-text'))
  assert.match(text, /Subject Alternative Name:\s+URI:spiffe:\/\/example\.org\/modest\n/)
  assert.doesNotMatch(text, /evil|admin/)
  ok(verify('w-csr', '-purpose', 'sslclient'))
  assert.equal(spki(at('w-csr', 'cert.pem')), createHash('sha256').update(
    spawnSync('openssl', ['pkey', '-in', at('greedy.key'), '-pubout', '-outform', 'DER']).stdout).digest('hex'))
})

test('a request with every accepted kind of key is signed', () => {
  const kinds = {
    p384: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'], // signed with SHA-256 by default
    p521: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521', '-sha512'],
    ed25519: ['-newkey', 'ed25519'],
    rsa: ['-newkey', 'rsa:2048'],
  }
  for (const [name, options] of Object.entries(kinds)) {
    const csr = request(name, ...options, '-subj', '/')
    const chain = ok(ca('sign', '--dir', at('plain'), '--csr', csr, '--spiffe-id', `spiffe://example.org/csr/${name}`))
    fs.mkdirSync(at(`w-csr-${name}`))
    fs.writeFileSync(at(`w-csr-${name}`, 'cert.pem'), chain)
    fs.copyFileSync(at('plain', 'bundle.pem'), at(`w-csr-${name}`, 'bundle.pem'))
    ok(verify(`w-csr-${name}`, '-purpose', 'sslclient'))
  }
})

test('weak keys, weak hashes and requests without proof of possession are refused', () => {
  const weak = {
    'rsa:1024': request('weak', '-newkey', 'rsa:1024', '-subj', '/'),
    'P-224': request('p224', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp224r1', '-subj', '/'),
    secp256k1: request('k1', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1', '-subj', '/'),
    'RSA-PSS': request('pss', '-newkey', 'rsa:2048', '-sigopt', 'rsa_padding_mode:pss', '-subj', '/'),
    'SHA-1': request('sha1', ...P256, '-sha1', '-subj', '/'),
  }
  const der = Buffer.from(fs.readFileSync(request('stolen', ...P256, '-subj', '/CN=a'), 'utf8').replace(/-----[^-]+-----|\s/g, ''), 'base64')
  const changed = Buffer.from(der)
  changed[der.indexOf('a', der.indexOf(Buffer.from([0x55, 0x04, 0x03])))] ^= 3
  fs.writeFileSync(at('changed.csr'), changed)
  weak['a changed request'] = at('changed.csr')
  const before = ok(ca('list', '--dir', at('plain'), '--all'))
  for (const [what, csr] of Object.entries(weak)) {
    const result = ca('sign', '--dir', at('plain'), '--csr', csr, '--spiffe-id', 'spiffe://example.org/weak')
    assert.equal(result.status, 1, what)
    assert.equal(result.out, '')
    assert.match(result.err, /too weak|not accepted|does not verify/, what)
  }
  assert.equal(ok(ca('list', '--dir', at('plain'), '--all')), before)
})

test('OpenSSL refuses a revoked certificate, and only that one', () => {
  newCa('revoking')
  const good = issue('revoking', 'spiffe://example.org/good', 'r-good')
  const bad = issue('revoking', 'spiffe://example.org/bad', 'r-bad')
  ok(ca('crl', '--dir', at('revoking'), '--out', at('empty.pem')))
  const crl = file => ['-crl_check_all', '-CRLfile', at(file)]
  ok(verify('r-bad', ...crl('empty.pem')))
  ok(ca('revoke', '--dir', at('revoking'), '--serial', bad.serial.toUpperCase().replace(/(..)(?=.)/g, '$1:'), '--reason', 'key-compromise'))
  ok(ca('crl', '--dir', at('revoking'), '--out', at('crl.pem')))
  ok(verify('r-good', ...crl('crl.pem')))
  const refused = verify('r-bad', ...crl('crl.pem'))
  assert.notEqual(refused.status, 0)
  assert.match(refused.err, /certificate revoked/)
  const text = ok(openssl('crl', '-in', at('crl.pem'), '-noout', '-text'))
  assert.match(text, new RegExp(`Serial Number: ${bad.serial.toUpperCase()}\\n[^]*Key Compromise`))
  assert.ok(!text.includes(good.serial.toUpperCase()))
  assert.equal(ca('revoke', '--dir', at('revoking'), '--serial', bad.serial).status, 1, 'already revoked')
  assert.equal(ca('renew', '--dir', at('revoking'), '--cert', at('r-bad', 'cert.pem'), '--out', at('r-bad')).status, 1)
})

test('CRLs of both CAs verify, PEM and DER, and the number grows', () => {
  const blocks = fs.readFileSync(at('crl.pem'), 'utf8').match(/-----BEGIN X509 CRL-----[^]*?-----END X509 CRL-----\n/g)
  assert.equal(blocks.length, 2)
  fs.writeFileSync(at('crl-0.pem'), blocks[0])
  fs.writeFileSync(at('crl-1.pem'), blocks[1])
  for (const [file, signer] of [['crl-0.pem', 'issuing'], ['crl-1.pem', 'root']]) {
    const result = openssl('crl', '-in', at(file), '-noout', '-verify', '-CAfile', at('revoking', signer, 'cert.pem'))
    assert.match(result.err, /verify OK/)
  }
  let last = 0
  for (let i = 0; i < 3; i++) {
    ok(ca('crl', '--dir', at('revoking'), '--format', 'der', '--authority', 'issuing', '--out', at('issuing.crl'), '--next-update', '2h'))
    const number = Number(ok(openssl('crl', '-inform', 'DER', '-in', at('issuing.crl'), '-noout', '-crlnumber')).match(/0x([0-9A-F]+)/)[1])
    assert.ok(number > last)
    last = number
  }
  assert.equal(ca('crl', '--dir', at('revoking'), '--format', 'der').status, 2)
})

test('revoking by SPIFFE ID or file, and what list shows', () => {
  newCa('listing')
  issue('listing', 'spiffe://example.org/a', 'l-a1')
  issue('listing', 'spiffe://example.org/a', 'l-a2')
  issue('listing', 'spiffe://example.org/b', 'l-b')
  const out = JSON.parse(ok(ca('revoke', '--dir', at('listing'), '--spiffe-id', 'spiffe://example.org/a', '--json')))
  assert.equal(out.length, 2)
  ok(ca('revoke', '--dir', at('listing'), '--cert', at('l-b', 'cert.pem'), '--reason', 'superseded'))
  const list = filter => JSON.parse(ok(ca('list', '--dir', at('listing'), '--json', ...filter)))
  assert.deepEqual(list(['--revoked']).map(r => [r.spiffe_id, r.reason]),
    [['spiffe://example.org/a', 'unspecified'], ['spiffe://example.org/a', 'unspecified'], ['spiffe://example.org/b', 'superseded']])
  assert.deepEqual(list([]).map(r => r.ca), [true])
  assert.equal(list(['--all']).length, 4)
  assert.equal(list(['--expired']).length, 0)
  // The issuing CA carries the trust domain's own ID, and is not revoked by naming it.
  assert.equal(ca('revoke', '--dir', at('listing'), '--spiffe-id', 'spiffe://example.org').status, 1)
  assert.equal(ca('revoke', '--dir', at('listing'), '--cert', at('r-good', 'cert.pem')).status, 1, 'of another CA')
})

test('renewal keeps the names, changes the serial, and a key that came in a request stays', () => {
  newCa('renewing')
  const first = issue('renewing', 'spiffe://example.org/a', 'n-a', '--dns', 'a.local', '--dns', 'b.local', '--ttl', '2h')
  const key = fs.readFileSync(at('n-a', 'key.pem'), 'utf8')
  const second = JSON.parse(ok(ca('renew', '--dir', at('renewing'), '--cert', at('n-a', 'cert.pem'), '--out', at('n-a'), '--json')))
  assert.notEqual(second.serial, first.serial)
  assert.deepEqual(second.dns, ['a.local', 'b.local'])
  assert.ok(Math.abs((Date.parse(second.not_after) - Date.parse(first.not_after)) / 1000) < 10, 'as long as the old one')
  assert.notEqual(fs.readFileSync(at('n-a', 'key.pem'), 'utf8'), key)
  ok(verify('n-a'))
  ok(ca('sign', '--dir', at('renewing'), '--csr', request('keep', ...P256, '-subj', '/'), '--spiffe-id', 'spiffe://example.org/c', '--out', at('n-c')))
  const held = spki(at('n-c', 'cert.pem'))
  ok(ca('renew', '--dir', at('renewing'), '--spiffe-id', 'spiffe://example.org/c', '--out', at('n-c')))
  assert.equal(spki(at('n-c', 'cert.pem')), held)
  assert.ok(!fs.existsSync(at('n-c', 'key.pem')))
})

test('a new issuing CA signs, and both CAs have a CRL', () => {
  ok(ca('renew', '--issuing', '--dir', at('renewing')))
  issue('renewing', 'spiffe://example.org/new', 'n-new')
  ok(ca('crl', '--dir', at('renewing'), '--out', at('three.pem')))
  assert.equal(fs.readFileSync(at('three.pem'), 'utf8').match(/BEGIN X509 CRL/g).length, 3)
  for (const dir of ['n-new', 'n-a']) ok(verify(dir, '-crl_check_all', '-CRLfile', at('three.pem')))
})

test('OpenSSL refuses a certificate outside the name constraints, even if the issuing key signed it', () => {
  // What a thief of the issuing key could make: OpenSSL signs with it.
  for (const [name, san] of [['uri', 'URI:spiffe://victim.org/a'], ['sub', 'URI:spiffe://sub.example.org/a']]) {
    const csr = request(`forged-${name}`, ...P256, '-subj', '/O=x')
    fs.writeFileSync(at('forged.cnf'), `subjectAltName=${san}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n`)
    ok(openssl('x509', '-req', '-in', csr, '-CA', at('plain', 'issuing', 'cert.pem'), '-CAkey', at('plain', 'issuing', 'key.pem'),
      '-CAcreateserial', '-CAserial', at('serial'), '-days', '1', '-extfile', at('forged.cnf'), '-out', at('forged.pem')))
    const result = openssl('verify', '-CAfile', at('plain', 'bundle.pem'), '-untrusted', at('plain', 'issuing', 'cert.pem'), at('forged.pem'))
    assert.notEqual(result.status, 0)
    assert.match(result.err, /permitted subtree violation/)
  }
})

test('DNS zones are name constraints, too', () => {
  newCa('zoned', '--dns-zone', 'svc.cluster.local')
  assert.equal(ca('issue', '--dir', at('zoned'), '--spiffe-id', 'spiffe://example.org/a', '--dns', 'localhost', '--out', at('z-a')).status, 1)
  issue('zoned', 'spiffe://example.org/a', 'z-b', '--dns', 'gw.svc.cluster.local')
  ok(verify('z-b', '-verify_hostname', 'gw.svc.cluster.local'))
  const text = ok(openssl('x509', '-in', at('zoned', 'issuing', 'cert.pem'), '-noout', '-text'))
  assert.match(text, /Permitted:\s+URI:example\.org\s+DNS:svc\.cluster\.local/)
})

test('ca init --if-absent makes a CA once, leaves it as it is, and refuses one of another trust domain', () => {
  const init = (domain, ...more) => ca('init', '--trust-domain', domain, '--dir', at('once'), '--no-passphrase', ...more)
  ok(init('example.org', '--if-absent'))
  const root = fs.readFileSync(at('once', 'bundle.pem'), 'utf8')
  assert.match(ok(init('example.org', '--if-absent')), /the CA for example\.org is there/)
  assert.equal(fs.readFileSync(at('once', 'bundle.pem'), 'utf8'), root)
  const other = init('other.example', '--if-absent')
  assert.equal(other.status, 1)
  assert.match(other.err, /is for example\.org, not for other\.example/)
  assert.notEqual(init('example.org').status, 0, 'without it there must be none')
})

test('keys at rest are encrypted with AES-256, and the passphrase is needed', () => {
  fs.writeFileSync(at('pass'), 'correct horse battery\n', { mode: 0o600 })
  fs.writeFileSync(at('wrong'), 'incorrect horse\n', { mode: 0o600 })
  ok(ca('init', '--trust-domain', 'example.org', '--dir', at('locked'), '--passphrase-file', at('pass')))
  for (const kind of ['root', 'issuing']) {
    const key = at('locked', kind, 'key.pem')
    assert.match(fs.readFileSync(key, 'utf8'), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
    assert.match(ok(openssl('asn1parse', '-in', key)), /PBES2[^]*PBKDF2[^]*hmacWithSHA256[^]*aes-256-cbc/)
    ok(openssl('pkey', '-in', key, '-passin', `file:${at('pass')}`, '-noout'))
    assert.equal(mode(key), '600')
  }
  assert.equal(mode(at('locked')), '700')
  const args = ['issue', '--dir', at('locked'), '--spiffe-id', 'spiffe://example.org/a', '--out', at('k-a')]
  const wrong = ca(...args, '--passphrase-file', at('wrong'))
  assert.equal(wrong.status, 2)
  assert.match(wrong.err, /passphrase is wrong/)
  assert.ok(!wrong.err.includes('horse'))
  const none = run('setsid', [sallyport, 'ca', ...args]) // no terminal to ask on
  assert.equal(none.status, 2)
  assert.match(none.err, /--passphrase-file/)
  ok(ca(...args, '--passphrase-file', at('pass')))
  ok(run(sallyport, ['ca', 'crl', '--dir', at('locked'), '--out', at('locked.crl')], { env: { ...process.env, SALLYPORT_CA_PASSPHRASE_FILE: at('pass') } }))
  ok(verify('k-a', '-crl_check_all', '-CRLfile', at('locked.crl')))
  // A passphrase is changed with OpenSSL, as docs/pki.md says.
  fs.writeFileSync(at('pass-2'), 'another horse entirely\n', { mode: 0o600 })
  ok(openssl('pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-iter', '600000', '-in', at('locked', 'issuing', 'key.pem'), '-out', at('locked', 'issuing', 'new.pem'),
    '-passin', `file:${at('pass')}`, '-passout', `file:${at('pass-2')}`))
  fs.renameSync(at('locked', 'issuing', 'new.pem'), at('locked', 'issuing', 'key.pem'))
  assert.equal(ca(...args, '--force', '--passphrase-file', at('pass')).status, 2)
  ok(ca(...args, '--force', '--passphrase-file', at('pass-2')))
})

test('an existing CA is not replaced', () => {
  const before = fs.readFileSync(at('plain', 'root', 'key.pem'))
  const result = ca('init', '--trust-domain', 'example.org', '--dir', at('plain'), '--no-passphrase')
  assert.equal(result.status, 1)
  assert.match(result.err, /holds a CA already/)
  assert.deepEqual(fs.readFileSync(at('plain', 'root', 'key.pem')), before)
})

test('the root can be kept offline', () => {
  newCa('offline')
  fs.renameSync(at('offline', 'root', 'key.pem'), at('usb-stick.pem'))
  issue('offline', 'spiffe://example.org/a', 'o-a')
  ok(ca('crl', '--dir', at('offline'), '--out', at('offline.crl')))
  ok(verify('o-a', '-crl_check_all', '-CRLfile', at('offline.crl')))
  assert.equal(ca('renew', '--issuing', '--dir', at('offline')).status, 2)
  ok(ca('renew', '--issuing', '--dir', at('offline'), '--root-key', at('usb-stick.pem')))
  // A revoked issuing CA must reach the root's CRL: without the root's key that is a loud warning.
  const old = JSON.parse(ok(ca('list', '--dir', at('offline'), '--json'))).find(r => r.ca)
  ok(ca('revoke', '--dir', at('offline'), '--serial', old.serial, '--reason', 'ca-compromise'))
  const warned = ca('crl', '--dir', at('offline'), '--out', at('offline.crl'))
  assert.equal(warned.status, 1)
  assert.match(warned.err, /root's key is not here/)
  ok(verify('o-a', '-crl_check_all', '-CRLfile', at('offline.crl')))
  ok(ca('crl', '--dir', at('offline'), '--out', at('offline.crl'), '--root-key', at('usb-stick.pem')))
  assert.match(verify('o-a', '-crl_check_all', '-CRLfile', at('offline.crl')).err, /certificate revoked/)
})

test('the SPIFFE bundle holds the root and nothing secret', () => {
  const bundle = JSON.parse(ok(ca('bundle', '--dir', at('plain'), '--format', 'jwks', '--refresh-hint', '10m')))
  assert.equal(bundle.spiffe_sequence, 1)
  assert.equal(bundle.spiffe_refresh_hint, 600)
  assert.equal(bundle.keys.length, 1)
  const [key] = bundle.keys
  assert.deepEqual(Object.keys(key).sort(), ['crv', 'kty', 'use', 'x', 'x5c', 'y'])
  assert.equal(key.use, 'x509-svid')
  const root = new X509Certificate(Buffer.from(key.x5c[0], 'base64'))
  assert.deepEqual(root.publicKey.export({ format: 'jwk' }), { kty: 'EC', crv: key.crv, x: key.x, y: key.y })
  assert.equal(ok(ca('bundle', '--dir', at('plain'))), fs.readFileSync(at('plain', 'bundle.pem'), 'utf8'))
})

test('two workloads shake hands with what the CA issued', async () => {
  const files = dir => ({ key: fs.readFileSync(at(dir, 'key.pem')), cert: fs.readFileSync(at(dir, 'cert.pem')), ca: fs.readFileSync(at(dir, 'bundle.pem')) })
  issue('plain', 'spiffe://example.org/server', 'tls-server', '--dns', 'localhost')
  issue('plain', 'spiffe://example.org/client', 'tls-client')
  const server = tls.createServer({ ...files('tls-server'), requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' }, socket => {
    socket.end(socket.getPeerCertificate().subjectaltname)
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const said = await new Promise((resolve, reject) => {
    let text = ''
    tls.connect({ ...files('tls-client'), port: server.address().port, host: '127.0.0.1', servername: 'localhost' })
      .on('data', data => { text += data }).on('end', () => resolve(text)).on('error', reject)
  })
  server.close()
  assert.equal(said, 'URI:spiffe://example.org/client')
})

test('two processes at once issue different serials', async () => {
  newCa('busy')
  const one = name => new Promise(resolve => {
    spawn(sallyport, ['ca', 'issue', '--dir', at('busy'), '--spiffe-id', `spiffe://example.org/${name}`, '--out', at(`busy-${name}`)]).on('close', resolve)
  })
  const loop = async which => { for (let i = 0; i < 25; i++) assert.equal(await one(`${which}${i}`), 0) }
  await Promise.all([loop('a'), loop('b')])
  const serials = JSON.parse(ok(ca('list', '--dir', at('busy'), '--json'))).map(r => r.serial)
  assert.equal(serials.length, 51)
  assert.equal(new Set(serials).size, 51)
})

test('a kill at any moment leaves no certificate that the registry does not know', async () => {
  newCa('killed')
  for (let i = 0; i < 30; i++) {
    const child = spawn(sallyport, ['ca', 'issue', '--dir', at('killed'), '--spiffe-id', `spiffe://example.org/${i}`, '--out', at(`killed-${i}`)])
    const timer = setTimeout(() => child.kill('SIGKILL'), i)
    await new Promise(resolve => child.on('close', resolve))
    clearTimeout(timer)
  }
  const known = new Set(JSON.parse(ok(ca('list', '--dir', at('killed'), '--json'))).map(r => r.serial))
  for (let i = 0; i < 30; i++) {
    const file = at(`killed-${i}`, 'cert.pem')
    if (fs.existsSync(file)) assert.ok(known.has(new X509Certificate(fs.readFileSync(file)).serialNumber.toLowerCase()))
  }
  issue('killed', 'spiffe://example.org/after', 'killed-after')
  ok(verify('killed-after'))
})

test('bad usage is status 2 with a sentence, and no CA is no stack of errors', () => {
  const typo = ca('issue', '--ttk', '1h')
  assert.equal(typo.status, 2)
  assert.equal(typo.err, 'sallyport ca issue: unknown option --ttk; did you mean --ttl?\n')
  const none = ca('list', '--dir', at('nowhere'))
  assert.equal(none.status, 2)
  assert.match(none.err, /there is no CA in .*nowhere/)
  assert.equal(ca('issue', '--dir', at('plain'), '--spiffe-id', 'spiffe://example.org/a', '--out', at('x'), '--ttl', '24').status, 2)
  assert.equal(ca('sign', '--dir', at('plain'), '--spiffe-id', 'spiffe://example.org/a', '--csr', at('missing.csr')).status, 2)
  for (const command of ['init', 'issue', 'sign', 'renew', 'revoke', 'list', 'crl', 'bundle']) {
    assert.match(ok(ca(command, '--help')), new RegExp(`^usage: sallyport ca ${command} `))
  }
})
