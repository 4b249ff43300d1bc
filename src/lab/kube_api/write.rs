//! Create, replace and patch.

use http::StatusCode;
use serde_json::Value;

use crate::lab::kube_api::admission::{self, Checked};
use crate::lab::kube_api::body::Reply;
use crate::lab::kube_api::managed_fields::Manager;
use crate::lab::kube_api::patch::Patch;
use crate::lab::kube_api::query::WriteOptions;
use crate::lab::kube_api::read::in_version;
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::store::kinds::{Kind, NAMESPACE};
use crate::lab::store::{Key, Store, Transaction, object};

/// Writes to the objects of one target.
#[derive(Debug)]
pub struct Writer<'r> {
    store: &'r Store,
    target: &'r Target,
    options: WriteOptions,
    manager: String,
}

// === impl Writer ===

impl<'r> Writer<'r> {
    /// A writer for a request. `agent` names the manager where the request does not.
    #[must_use]
    pub fn new(store: &'r Store, target: &'r Target, options: WriteOptions, agent: &str) -> Self {
        // Kubernetes: `managedfields.PrefixFromUserAgent`.
        let prefix = agent.split('/').next().filter(|prefix| !prefix.is_empty()).unwrap_or("unknown");
        let manager = options.field_manager.clone().unwrap_or_else(|| prefix.to_owned());
        Self { store, target, options, manager }
    }

    /// POST.
    pub fn create(&self, mut given: Value) -> Result<Reply, Refusal> {
        if self.target.name.is_some() || (self.target.kind.namespaced && self.target.namespace.is_none()) {
            return Err(Refusal::method_not_allowed());
        }
        self.check_identity(&given, None)?;
        for of_the_server in ["resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink"]
        {
            object::remove(&mut given, &["metadata", of_the_server]);
        }
        let Checked { object: mut checked, warnings } = self.admit(given, None)?;
        let object = self.store.write(|transaction| {
            self.generate_name(transaction, &mut checked);
            let name = object::name(&checked).to_owned();
            let key = self.key(&name);
            self.require_namespace(transaction)?;
            if transaction.get(&key).is_some() {
                return Err(Refusal::already_exists(self.kind(), &name));
            }
            self.manager().record_update(&mut checked, None);
            Ok(self.put(transaction, &key, checked))
        })?;
        Ok(Reply { code: StatusCode::CREATED, object, warnings })
    }

    /// PUT.
    pub fn replace(&self, given: Value) -> Result<Reply, Refusal> {
        let name = self.target.name.as_deref().ok_or_else(Refusal::method_not_allowed)?;
        self.check_identity(&given, Some(name))?;
        let key = self.key(name);
        let mut warnings = Vec::new();
        let object = self.store.write(|transaction| {
            let before = transaction.get(&key).ok_or_else(|| Refusal::not_found(self.kind(), name))?;
            self.update(transaction, &key, &before, given, None, &mut warnings)
        })?;
        Ok(Reply { warnings, ..Reply::ok(object) })
    }

    /// PATCH, server-side apply included.
    pub fn patch(&self, patch: &Patch) -> Result<Reply, Refusal> {
        let name = self.target.name.as_deref().ok_or_else(Refusal::method_not_allowed)?;
        let key = self.key(name);
        let mut warnings = Vec::new();
        let (code, object) = self.store.write(|transaction| {
            let Some(before) = transaction.get(&key) else {
                let created = self.apply_new(transaction, &key, patch, &mut warnings)?;
                return Ok((StatusCode::CREATED, created));
            };
            let current = in_version(&before, self.target);
            let (given, config) = match patch {
                Patch::Apply(config) => {
                    (self.manager().apply(Some(&current), config, self.options.force)?, Some(config))
                }
                patch => (patch.apply(self.kind(), &current)?, None),
            };
            self.check_identity(&given, Some(name))?;
            let object = self.update(transaction, &key, &before, given, config, &mut warnings)?;
            Ok((StatusCode::OK, object))
        })?;
        Ok(Reply { code, object, warnings })
    }

    /// Server-side apply creates what is not there; other patches do not.
    fn apply_new(
        &self,
        transaction: &mut Transaction<'_>,
        key: &Key,
        patch: &Patch,
        warnings: &mut Vec<String>,
    ) -> Result<Value, Refusal> {
        let Patch::Apply(config) = patch else { return Err(Refusal::not_found(self.kind(), &key.name)) };
        self.check_identity(config, Some(&key.name))?;
        self.require_namespace(transaction)?;
        let mut given = config.clone();
        object::set(&mut given, &["metadata", "name"], key.name.as_str());
        let mut checked = self.admit(given, None)?;
        warnings.append(&mut checked.warnings);
        self.manager().record_apply(&mut checked.object, None, config);
        Ok(self.put(transaction, key, checked.object))
    }

    /// Writes a changed object over what is there. `applied` is the configuration of a server-side apply.
    fn update(
        &self,
        transaction: &mut Transaction<'_>,
        key: &Key,
        before: &Value,
        given: Value,
        applied: Option<&Value>,
        warnings: &mut Vec<String>,
    ) -> Result<Value, Refusal> {
        let revision = object::text(&given, "/metadata/resourceVersion");
        if !revision.is_empty() && revision != object::text(before, "/metadata/resourceVersion") {
            let why = "the object has been modified; please apply your changes to the latest version and try again";
            return Err(Refusal::conflict(self.kind(), &key.name, why));
        }
        let uid = object::uid(&given);
        if !uid.is_empty() && uid != object::uid(before) {
            let held = object::uid(before);
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {held}");
            return Err(Refusal::conflict(self.kind(), &key.name, &why));
        }
        let given = self.only_what_the_path_writes(before, given);
        let mut checked = self.admit(given, Some(before))?;
        warnings.append(&mut checked.warnings);
        match applied {
            Some(config) => self.manager().record_apply(&mut checked.object, Some(before), config),
            None => self.manager().record_update(&mut checked.object, Some(before)),
        }
        Ok(self.put(transaction, key, checked.object))
    }

    /// The object's own path leaves the status alone, the status path everything else.
    fn only_what_the_path_writes(&self, before: &Value, mut given: Value) -> Value {
        if self.target.subresource.as_deref() == Some("status") {
            let mut object = before.clone();
            object::set(&mut object, &["status"], given.get("status").cloned().unwrap_or_default());
            return object;
        }
        match before.get("status") {
            Some(status) => object::set(&mut given, &["status"], status.clone()),
            None => drop(object::remove(&mut given, &["status"])),
        }
        given
    }

    fn admit(&self, mut given: Value, before: Option<&Value>) -> Result<Checked, Refusal> {
        object::set(&mut given, &["apiVersion"], self.kind().api_version(&self.target.version));
        object::set(&mut given, &["kind"], self.kind().kind);
        if let Some(namespace) = &self.target.namespace {
            object::set(&mut given, &["metadata", "namespace"], namespace.as_str());
        }
        admission::check(self.kind(), &self.target.version, given, before, &self.options)
    }

    fn put(&self, transaction: &mut Transaction<'_>, key: &Key, object: Value) -> Value {
        let object = if self.options.dry_run {
            transaction.preview(key, object)
        } else {
            Value::clone(&transaction.put(key, object))
        };
        in_version(&object, self.target)
    }

    fn manager(&self) -> Manager<'_> {
        Manager { name: &self.manager, target: self.target }
    }

    fn kind(&self) -> &'static Kind {
        self.target.kind
    }

    fn key(&self, name: &str) -> Key {
        Key::new(self.kind(), self.target.namespace.as_deref().unwrap_or_default(), name)
    }

    /// What the body says it is must be what the path says.
    ///
    /// Kubernetes: `endpoints/handlers/create.go`, `rest/create.go:EnsureObjectNamespaceMatchesRequestNamespace`.
    fn check_identity(&self, given: &Value, name: Option<&str>) -> Result<(), Refusal> {
        let differs = |given: &str, expected: &str| !given.is_empty() && given != expected;
        if !given.is_object() {
            return Err(Refusal::bad_request("the body of the request is not an object"));
        }
        let (version, expected) = (object::text(given, "/apiVersion"), self.kind().api_version(&self.target.version));
        if differs(version, &expected) {
            return Err(Refusal::bad_request(format!(
                "the API version in the data ({version}) does not match the expected API version ({expected})"
            )));
        }
        let kind = object::text(given, "/kind");
        if differs(kind, self.kind().kind) {
            let (expected, version) = (self.kind().kind, &self.target.version);
            return Err(Refusal::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {expected}: no kind \"{kind}\" at this path"
            )));
        }
        if differs(object::namespace(given), self.target.namespace.as_deref().unwrap_or_default()) {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Refusal::bad_request(message));
        }
        match name {
            Some(name) if differs(object::name(given), name) => Err(Refusal::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({name})",
                object::name(given)
            ))),
            _ => Ok(()),
        }
    }

    fn require_namespace(&self, transaction: &Transaction<'_>) -> Result<(), Refusal> {
        let Some(namespace) = self.target.namespace.as_deref() else { return Ok(()) };
        match transaction.get(&Key::new(&NAMESPACE, "", namespace)) {
            Some(_) => Ok(()),
            None => Err(Refusal::not_found(&NAMESPACE, namespace)),
        }
    }

    fn generate_name(&self, transaction: &mut Transaction<'_>, object: &mut Value) {
        let prefix = object::text(object, "/metadata/generateName").to_owned();
        if object::name(object).is_empty() && !prefix.is_empty() {
            let series = format!("{} {} {prefix}", self.kind().plural, self.target.namespace.as_deref().unwrap_or(""));
            let suffix = crate::lab::controllers::names::suffix(&series, transaction.serial(&series));
            object::set(object, &["metadata", "name"], format!("{prefix}{suffix}"));
        }
    }
}
