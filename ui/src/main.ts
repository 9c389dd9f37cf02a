import './tokens.css'
import './base.css'
import { mount } from 'svelte'
import App from './App.svelte'
import { tauriBackend } from './lib/backend/tauri'
import { AppState } from './lib/state.svelte'

const target = document.getElementById('app')
if (!target) throw new Error('index.html has no #app')
mount(App, { target, props: { app: new AppState(tauriBackend) } })
