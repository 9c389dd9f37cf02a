import './tokens.css'
import './base.css'
import { mount } from 'svelte'
import App from './App.svelte'
import { tauriBackend } from './lib/backend/tauri'
import { AppState } from './lib/state.svelte'

/** How long the page waits for its list: one that comes at once is all that has to be laid out. */
const PATIENCE_MS = 250

const target = document.getElementById('app')
if (!target) throw new Error('index.html has no #app')
const app = new AppState(tauriBackend)
await Promise.race([app.start(), new Promise((over) => setTimeout(over, PATIENCE_MS))])
mount(App, { target, props: { app } })
