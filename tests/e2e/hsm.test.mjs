// SPDX-License-Identifier: GPL-3.0-or-later
// A CA and an issuer whose keys are in a PKCS#11 token: SoftHSM for the token, OpenSSL and npm's jose for the verdicts.
// One thread.
import { test, before } from 'node:test'
import assert from 'node:assert/strict'
import { createPublicKey, X509Certificate } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import * as jose from 'jose'
import { sallyport, sanitised, temporary } from './lib/files.mjs'
import { must, run } from './lib/program.mjs'

const PIN = 'a-pin-for-tests-57721'
const folders = ['/usr/lib/softhsm', '/usr/lib/x86_64-linux-gnu/softhsm', '/usr/lib/aarch64-linux-gnu/softhsm', '/usr/lib64/pkcs11', '/usr/local/lib/softhsm']
const module = folders.map(f => path.join(f, 'libsofthsm2.so')).find(f => fs.existsSync(f))
const skip = module ? false : 'SoftHSM is not installed; deploy/deps --tests installs it'

let top, env, pin, spoken = ''
const at = (...names) => path.join(top, ...names)
const uri = (object = '', token = 'ca') => `pkcs11:token=${token}${object && `;object=${object}`}?module-path=${module}&pin-source=file:${pin}`

// What the command says is kept: no PIN may be in any of it.
function cli(...args) {
  const result = run(sallyport, args, { cwd: top, env })
  spoken += result.out + result.err
  return result
}
function ok(...args) {
  const result = cli(...args)
  assert.equal(result.status, 0, `${args.join(' ')}\n${result.out}${result.err}`)
  return result.out
}
function refused(words, ...args) {
  const result = cli(...args)
  assert.equal(result.status, 2, `${args.join(' ')}\n${result.out}${result.err}`)
  assert.match(result.err, words)
}
const filesOf = folder => fs.readdirSync(at(folder), { recursive: true }).map(name => at(folder, name)).filter(file => fs.statSync(file).isFile())
const objects = () => filesOf('tokens').filter(file => file.endsWith('.object') && path.basename(file) !== 'token.object').length
const verify = dir => must('openssl', ['verify', '-x509_strict', '-CAfile', at(dir, 'bundle.pem'), '-untrusted', at(dir, 'cert.pem'), at(dir, 'cert.pem')])

before(() => {
  if (skip) return
  top = temporary('hsm')
  pin = at('pin')
  fs.mkdirSync(at('tokens'))
  fs.writeFileSync(pin, `${PIN}\n`, { mode: 0o600 })
  fs.writeFileSync(at('softhsm2.conf'), `directories.tokendir = ${at('tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`)
  env = { ...process.env, SOFTHSM2_CONF: at('softhsm2.conf') }
  if (sanitised) { // SoftHSM's own leaks
    fs.writeFileSync(at('leaks'), 'leak:libsofthsm2.so\nleak:libcrypto.so\n')
    env.LSAN_OPTIONS = `suppressions=${at('leaks')}:print_suppressions=0`
  }
  must('softhsm2-util', ['--init-token', '--free', '--label', 'ca', '--pin', PIN, '--so-pin', `so-${PIN}`], { env })
})

test('a whole CA with its keys in a token issues what OpenSSL verifies', { skip }, () => {
  assert.match(ok('ca', 'init', '--trust-domain', 'example.org', '--key', uri()), /PKCS#11 token/)
  assert.equal(objects(), 4)
  ok('ca', 'issue', '--spiffe-id', 'spiffe://example.org/rag', '--out', 'rag', '--dns', 'localhost')
  verify('rag')

  must('openssl', ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('agent.key'), '-out', at('agent.csr'), '-subj', '/CN=x'])
  ok('ca', 'sign', '--csr', 'agent.csr', '--spiffe-id', 'spiffe://example.org/agent', '--out', 'agent')
  verify('agent')

  ok('ca', 'renew', '--cert', 'rag/cert.pem', '--out', 'rag-2')
  verify('rag-2')
  ok('ca', 'revoke', '--cert', 'rag/cert.pem')
  ok('ca', 'crl', '--out', 'crl.pem')
  const withCrl = dir => run('openssl', ['verify', '-x509_strict', '-crl_check', '-CRLfile', at('crl.pem'), '-CAfile', at(dir, 'bundle.pem'), '-untrusted', at(dir, 'cert.pem'), at(dir, 'cert.pem')])
  assert.match(withCrl('rag').err, /certificate revoked/)
  assert.equal(withCrl('rag-2').status, 0)

  ok('ca', 'renew', '--issuing')
  assert.equal(objects(), 6)
  ok('ca', 'issue', '--spiffe-id', 'spiffe://example.org/rag', '--out', 'rag-3')
  verify('rag-3')
  assert.notEqual(new X509Certificate(fs.readFileSync(at('rag-3', 'cert.pem'))).issuer, new X509Certificate(fs.readFileSync(at('rag-2', 'cert.pem'))).issuer)
  ok('ca', 'crl', '--out', 'crl.pem')
})

test('no private key of the CA is in its folder', { skip }, () => {
  const files = filesOf('ca')
  assert.ok(files.length >= 4)
  for (const file of files) {
    assert.notEqual(path.basename(file), 'key.pem')
    const content = fs.readFileSync(file)
    assert.ok(!content.includes('PRIVATE KEY'), file)
    assert.ok(!content.includes(PIN), file)
  }
})

test('the root in a token, the issuing key in an encrypted file', { skip }, () => {
  fs.writeFileSync(at('passphrase'), 'correct horse\n', { mode: 0o600 })
  const made = ['--dir', 'mixed', '--passphrase-file', 'passphrase']
  ok('ca', 'init', '--trust-domain', 'example.org', '--root-key', uri(), ...made)
  assert.ok(!fs.existsSync(at('mixed', 'root', 'key.pem')))
  assert.match(fs.readFileSync(at('mixed', 'issuing', 'key.pem'), 'utf8'), /ENCRYPTED PRIVATE KEY/)
  ok('ca', 'issue', '--spiffe-id', 'spiffe://example.org/m', '--out', 'mixed-leaf', ...made)
  verify('mixed-leaf')
  ok('ca', 'renew', '--issuing', ...made)
  ok('ca', 'issue', '--spiffe-id', 'spiffe://example.org/m', '--out', 'mixed-leaf-2', ...made)
  verify('mixed-leaf-2')
  ok('ca', 'crl', '--out', 'mixed.crl', ...made)
})

test('a token mints what jose verifies', { skip }, async () => {
  // A key that another tool made, found by its name.
  must('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', at('issuer.pem')])
  must('softhsm2-util', ['--import', at('issuer.pem'), '--token', 'ca', '--label', 'issuer', '--id', '01', '--pin', PIN], { env })
  for (const name of ['object=issuer', 'id=%01']) {
    const key = uri().replace('token=ca', `token=ca;${name}`)
    const token = ok('token', 'mint', '--key', key, '--issuer', 'https://issuer.test', '--audience', 'sallyport', '--subject', 's', '--unbound').trim()
    const { payload } = await jose.jwtVerify(token, createPublicKey(fs.readFileSync(at('issuer.pem'))), { issuer: 'https://issuer.test', typ: 'at+jwt' })
    assert.equal(payload.sub, 's')
  }
})

test('what is wrong is said, and nothing is made', { skip }, () => {
  const before = objects()
  const init = (...args) => ['ca', 'init', '--trust-domain', 'example.org', '--dir', 'never', ...args]
  const bare = uri().replace(/&pin-source.*/, '')
  refused(/pin-value is refused/, ...init('--key', `${bare}&pin-value=${PIN}`))
  refused(/add pin-source/, ...init('--key', bare))
  refused(/must name a token only/, ...init('--key', uri('mine')))
  refused(/no such token/, ...init('--key', uri('', 'nowhere')))
  refused(/no file there/, ...init('--key', 'pkcs11:token=ca?module-path=/nowhere.so'))
  refused(/no such token/, ...init('--root-key', uri(), '--issuing-key', uri('', 'nowhere')))
  refused(/only --dpop-key may be in a token/, 'call', 'https://localhost:1/', '--ca', 'rag/bundle.pem', '--cert', 'rag/cert.pem', '--key', uri('issuer'))
  refused(/no private key of that name/, 'token', 'mint', '--key', uri('none'), '--issuer', 'https://i', '--audience', 'a', '--subject', 's', '--unbound')
  assert.equal(objects(), before)
  assert.ok(!fs.existsSync(at('never')))
})

test('a wrong PIN signs nothing', { skip }, () => {
  fs.writeFileSync(pin, 'wrong-pin\n', { mode: 0o600 })
  refused(/the PIN is wrong/, 'ca', 'issue', '--spiffe-id', 'spiffe://example.org/x', '--out', 'x')
  assert.ok(!fs.existsSync(at('x', 'cert.pem')))
  fs.writeFileSync(pin, `${PIN}\n`, { mode: 0o600 })
  ok('ca', 'issue', '--spiffe-id', 'spiffe://example.org/x', '--out', 'x', '--force')
})

test('the PIN was in nothing that was printed', { skip }, () => {
  assert.ok(spoken.length > 500)
  assert.ok(!spoken.includes(PIN))
})
