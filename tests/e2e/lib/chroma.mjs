// SPDX-License-Identifier: GPL-3.0-or-later
// A real Chroma server from the npm package.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { port, until } from './files.mjs'
import { plain } from './client.mjs'
import { start } from './program.mjs'

const cli = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../node_modules/chromadb/dist/cli.mjs')

export async function startChroma(name, folder) {
  const data = path.join(folder, `chroma-${name}`)
  fs.mkdirSync(data, { recursive: true })
  const at = await port()
  const program = start(`chroma ${name}`, process.execPath, [cli, 'run', '--path', data, '--host', '127.0.0.1', '--port', String(at)], { cwd: folder })
  await until(`chroma ${name}`, async () => {
    if (program.over) throw new Error(`chroma ${name} ended: ${program.log}`)
    return plain(at, '/api/v2/heartbeat').then(r => r.status === 200, () => false)
  }, 30000)
  return Object.assign(program, { port: at, url: `http://127.0.0.1:${at}` })
}
