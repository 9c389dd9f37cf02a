//! One open profile: what it is composed of, and the use cases that need several of its parts.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::activity::{Activity, Actor, Recorder, Usage};
use crate::approvals::Approvals;
use crate::begun::Begun;
use crate::change::{Change, Changes};
use crate::clock::Clock;
use crate::connections::Connections;
use crate::error::{Error, StoreError};
use crate::identity::Profile;
use crate::integrations::{Draft, IntegrationId, IntegrationView, Integrations, ProfileParts};
use crate::keys::Keys;
use crate::leases::Leases;
use crate::oversight::{Signals, StoreAway};
use crate::policy::Policy;
use crate::port::{Http, Identity, Store, Vault};
use crate::profile_secret::ProfileSecret;
use crate::secrets::Secrets;
use crate::settings::{Settings, SettingsStore};
use crate::vault::{SecretChange, VaultKind};
use crate::watch::{Follower, StoreStanding};
use crate::{runtime, watch};

/// What is outside of a profile: adapters for the ports of the core.
pub struct Environment {
    pub store: Arc<dyn Store>,
    pub vault: Arc<dyn Vault>,
    /// Calls to others.
    pub http: Arc<dyn Http>,
    /// Where people sign in.
    pub identity: Arc<dyn Identity>,
    pub clock: Clock,
    /// What the machine's administrator has fixed.
    pub policy: Policy,
    /// Who acts in this process.
    pub actor: Actor,
    /// The account of the machine that this process runs as; `None`: not known.
    pub os_user: Option<String>,
    /// What one host at a time does; `None`: the profile is of this machine alone.
    pub leases: Option<Leases>,
}

/// One open profile: the use cases on its keys, usage, settings and integrations.
pub struct Core {
    /// The one API key and those before it.
    pub keys: Keys,
    /// Who used it, and what came of it.
    pub usage: Usage,
    /// What an admin can set.
    pub settings: SettingsStore,
    /// OAuth app registrations.
    pub integrations: Arc<Integrations>,
    /// Accounts that are signed in.
    pub connections: Arc<Connections>,
    /// What agents want to do, and what a person said to it.
    pub approvals: Arc<Approvals>,
    /// What was done, by whom, and what came of it.
    pub activity: Activity,
    /// What this process has seen lately and no row holds.
    pub signals: Signals,
    pub(crate) folder_id: String,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) recorder: Recorder,
    pub(crate) http: Arc<dyn Http>,
    pub(crate) clock: Clock,
    pub(crate) secrets: Secrets,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) changes: Changes,
    begun: Begun,
}

impl Core {
    /// Opens the profile with what is outside of it. Blocks on its rows, not on the vault.
    pub fn open(profile: &Profile, environment: Environment) -> Result<Arc<Self>, Error> {
        let Environment { store, vault, http, identity, clock, policy, actor, os_user, leases } = environment;
        let changes = Changes::default();
        // From before the first row is read: nothing is missed between the two.
        let watcher = store.watch()?;
        let recorder = Recorder::new(actor, os_user, clock.clone());
        let secrets = Secrets::new(store.clone(), vault.clone(), recorder.clone());
        let shared = ProfileParts {
            store: store.clone(),
            secrets: secrets.clone(),
            identity,
            recorder: recorder.clone(),
            clock: clock.clone(),
            changes: changes.clone(),
        };
        let integrations = Arc::new(Integrations::new(shared.clone(), &policy));
        let begun = Begun::default();
        let core = Arc::new(Self {
            keys: Keys::load(store.clone(), clock.clone(), changes.clone(), recorder.clone())?,
            usage: Usage::new(store.clone(), clock.clone(), changes.clone(), recorder.clone()),
            settings: SettingsStore::load(store.clone(), changes.clone(), recorder.clone(), &policy)?,
            connections: Arc::new(Connections::new(shared, integrations.clone(), begun.clone(), leases)),
            approvals: Arc::new(Approvals::new(
                store.clone(),
                recorder.clone(),
                clock.clone(),
                changes.clone(),
                begun.clone(),
            )),
            begun,
            integrations,
            activity: Activity::new(store.clone()),
            signals: Signals::new(clock.clone(), changes.clone()),
            folder_id: profile.folder_id(),
            store,
            recorder,
            http,
            clock,
            secrets,
            vault,
            changes,
        });
        core.choose_vault();
        watch::run(watcher, core.clock.clone(), Arc::downgrade(&core))
            .map_err(|error| Error::Internal(format!("no thread to watch the database: {error}")))?;
        Ok(core)
    }

    /// Waits until what has begun has ended, so that nothing is left half done: a process that ends calls this first.
    pub async fn finish_begun(&self) {
        self.begun.ended().await;
    }

    /// Looks through all rows; where they are not sound, nothing is let in from then on. Takes long.
    pub fn look_through(&self) -> Result<(), Error> {
        let looked = self.store.look_through();
        if let Err(error @ StoreError::Damaged(_)) = &looked {
            self.signals.store_seen(Err(error.to_string()));
        }
        Ok(looked?)
    }

    /// Why the rows can't be had; `None`: they can.
    pub fn store_trouble(&self) -> Option<String> {
        self.signals.store_trouble()
    }

    /// Since when rows that lie elsewhere can't be had, and until when what is known of them serves; `None`: they can be
    /// had, or lie on this machine.
    pub fn store_away(&self) -> Option<StoreAway> {
        self.signals.away()
    }

    /// The broadcast that tells what changed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The way out for calls whose whole answer is small.
    pub fn http(&self) -> &dyn Http {
        self.http.as_ref()
    }

    /// The secret that this profile was born with: it makes keys, and proves who serves.
    pub fn profile_secret(&self) -> &ProfileSecret {
        self.store.profile_secret()
    }

    /// Tells the data folder of this process apart from others.
    pub fn folder_id(&self) -> &str {
        &self.folder_id
    }

    /// Saves settings and, with them, what is to become of the agent runtime's credential.
    pub async fn save_settings(&self, new: Settings, credential: SecretChange) -> Result<Arc<Settings>, Error> {
        if new.vault == VaultKind::File && self.settings.current().vault != VaultKind::File {
            // Tried before it is chosen: nobody should find out at the first sign-in. The redirect
            // to the keychain is always open.
            self.vault.choose(VaultKind::File);
            if let Err(error) = self.check_vault().await {
                self.choose_vault();
                return Err(error);
            }
        }
        let saved = runtime::save(&self.settings, self.vault.as_ref(), new, credential).await;
        // Where that failed, the one before is in force.
        self.choose_vault();
        saved?;
        Ok(self.settings.current())
    }

    pub(crate) fn choose_vault(&self) {
        self.vault.choose(self.settings.current().vault);
    }

    /// Reads everything again, as after a signal to do so.
    pub fn read_again(&self) -> Result<(), Error> {
        self.keys.reload()?;
        self.settings.reload()?;
        self.connections.follow_rows()?;
        self.choose_vault();
        for change in [Change::Keys, Change::Settings, Change::Integrations, Change::Connections, Change::Usage] {
            self.changes.publish(change);
        }
        Ok(())
    }

    /// The agent runtime's credential, where one is set.
    pub async fn runtime_credential(&self) -> Result<Option<SecretString>, Error> {
        runtime::credential(&self.settings, self.vault.as_ref()).await
    }

    /// Clears away what a crash left between a secret and its row, and marks rows whose
    /// secret is gone. Waits for the keychain, so it runs beside everything else.
    pub async fn reconcile_secrets(&self) -> Result<(), Error> {
        self.secrets.sweep(&self.expected_secrets()?).await?;
        self.integrations.mark_missing_secrets().await?;
        self.connections.mark_missing_secrets().await
    }

    /// The keychain entries that rows expect.
    pub(crate) fn expected_secrets(&self) -> Result<HashSet<String>, Error> {
        let mut expected: HashSet<String> = self.integrations.expected_secrets()?.into_iter().collect();
        expected.extend(self.connections.expected_secrets()?);
        Ok(expected)
    }

    /// The names of all entries of the vault that belong to this profile.
    pub fn secret_entries(&self) -> Result<Vec<String>, Error> {
        let mut entries: Vec<String> = self.expected_secrets()?.into_iter().collect();
        entries.push(runtime::ENTRY.to_owned());
        entries.sort();
        Ok(entries)
    }

    /// Adds an integration, or changes the one of the same id. Where it leads to another authority, client
    /// ID or Graph from now on, the sign-ins through it end.
    pub async fn save_integration(&self, draft: Draft, secret: SecretChange) -> Result<IntegrationView, Error> {
        let (saved, moved) = self.integrations.save(draft, secret).await?;
        if moved && let Err(error) = self.connections.forget_moved(&saved.id).await {
            // They have ended, and what is left of them in the vault is sent nowhere else.
            tracing::warn!(%error, "sign-ins that have ended are left in the keychain");
        }
        Ok(saved)
    }

    /// Deletes an integration and signs out every connection that went through it.
    pub async fn delete_integration(&self, id: &IntegrationId) -> Result<(), Error> {
        let before = self.connections.through(id)?;
        self.integrations.delete(id).await?;
        // Asked again for whoever signed in meanwhile. That this can't be answered undoes nothing: where nobody was
        // signed in, all is done.
        for connection in self.connections.through(id).unwrap_or(before) {
            self.connections.disconnect(&connection).await?;
        }
        Ok(())
    }
}

impl Follower for Core {
    fn trust_period(&self) -> Duration {
        Duration::from_secs(self.settings.current().trust_period.into())
    }

    fn stand(self: &Arc<Self>, standing: StoreStanding<'_>) -> Result<(), Error> {
        match standing {
            StoreStanding::Confirmed(left) => self.signals.store_trusted(left),
            StoreStanding::Away(outage) => {
                tracing::warn!(why = %outage.why, left = ?outage.left, "the rows are away; what is known of them serves");
                self.signals.store_away(&outage);
            }
            StoreStanding::Lost(outage) => {
                tracing::error!(why = %outage.why, "the rows can't be had; nothing is let in");
                self.signals.store_lost(&outage);
            }
            StoreStanding::Back(left) => {
                self.read_again()?;
                if let Some(left) = left {
                    self.signals.store_trusted(left);
                }
                self.signals.store_seen(Ok(()));
            }
        }
        Ok(())
    }

    fn follow(self: &Arc<Self>, change: Change) -> Result<(), Error> {
        match change {
            Change::Keys => self.keys.reload(),
            Change::Settings => self.settings.reload().inspect(|()| self.choose_vault()),
            Change::Connections => self.connections.follow_rows(),
            Change::Gateway => self.see_with_service(),
            // Read when they are asked for.
            Change::Approvals
            | Change::Usage
            | Change::Integrations
            | Change::SignIns
            | Change::Activity
            | Change::Attention => Ok(()),
        }?;
        self.changes.publish(change);
        Ok(())
    }
}
