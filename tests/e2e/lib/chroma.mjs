// SPDX-License-Identifier: GPL-3.0-or-later
// Real Chroma servers: the npm package's, and a later one, PyPI's.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { port, until } from './files.mjs'
import { plain } from './client.mjs'
import { start } from './program.mjs'
import { fromPyPI, python } from './packages.mjs'

const cli = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../node_modules/chromadb/dist/cli.mjs')

// How a server is started: { program, args, env }. That of npm, and that of PyPI or { missing }.
export const ofNpm = () => ({ program: process.execPath, args: [cli] })
export function ofPyPI() {
  const { folder, missing } = fromPyPI('chromadb', '1.5.9', ['cc09b3df76e5a5cb386aed2715a2eea152e3949f9e1ba93c7119505377749929', '9192d111bd662241625867962333d99369a00769a50f8b2f58cb388731274d7e'])
  if (missing) return { missing }
  // The package's command line is that of its native half, which needs nothing else.
  return { program: python, args: ['-c', 'import sys, chromadb_rust_bindings as c; c.cli(["chroma"] + sys.argv[1:])'], env: { ...process.env, PYTHONPATH: folder } }
}

// `reset`: the server lets itself be reset.
export async function startChroma(name, folder, { server = ofNpm(), reset = false } = {}) {
  const data = path.join(folder, `chroma-${name}`)
  fs.mkdirSync(data, { recursive: true })
  const at = await port()
  const config = path.join(folder, `chroma-${name}.yaml`)
  fs.writeFileSync(config, `persist_path: ${JSON.stringify(data)}\nlisten_address: 127.0.0.1\nport: ${at}\nallow_reset: ${reset}\n`)
  const program = start(`chroma ${name}`, server.program, [...server.args, 'run', config], { cwd: folder, env: server.env })
  await until(`chroma ${name}`, async () => {
    if (program.over) throw new Error(`chroma ${name} ended: ${program.log}`)
    return plain(at, '/api/v2/heartbeat').then(r => r.status === 200, () => false)
  }, 30000)
  return Object.assign(program, { port: at, url: `http://127.0.0.1:${at}` })
}
