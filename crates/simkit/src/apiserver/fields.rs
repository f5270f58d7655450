//! Who owns which fields: sets of paths by manager, as server-side apply keeps them.
//!
//! An apply owns what it says; what it said before and does not say any more goes, unless somebody else owns it. What
//! another one owns and would be changed is a conflict, or with force is taken over. Every other write owns what it
//! changes. After the `structured-merge-diff` of the API server, for one version of a kind.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;

/// One who writes: name, and whether by apply, and whether to the status.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// As the request calls it.
    pub name: String,
    /// Apply, or any other write.
    pub is_apply: bool,
    /// Through the status subresource.
    pub is_status: bool,
}

/// Who owns what.
pub(super) type Owners = BTreeMap<Manager, Fields>;
/// Fields, by path.
pub(super) type Fields = BTreeSet<Path>;

/// A way into an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Field(String),
    /// A member of a list by its keys or its value, as it is written: `[name="a"]`.
    Member(String),
}

impl Path {
    fn field(&self, name: &str) -> Self {
        self.with(Step::Field(name.to_owned()))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        (!above.is_empty()).then(|| Self(above.to_vec()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            Step::Field(name) => write!(f, ".{name}"),
            Step::Member(member) => write!(f, "{member}"),
        })
    }
}

/// How the schema says that a list is merged.
enum Merge<'s> {
    /// Whole.
    Atomic,
    /// Member by member.
    Set,
    /// Member by member, told apart by these fields.
    Keyed(Vec<&'s str>),
}

/// The schema of a part of an object; of some parts there is none.
#[derive(Clone, Copy)]
pub(super) struct Shape<'s>(pub(super) Option<&'s Value>);

impl<'s> Shape<'s> {
    pub(super) fn field(self, name: &str) -> Self {
        Self(self.0.and_then(|shape| {
            let own = shape.get("properties").and_then(|fields| fields.get(name));
            own.or_else(|| shape.get("additionalProperties"))
        }))
    }

    fn members(self) -> Self {
        Self(self.0.and_then(|shape| shape.get("items")))
    }

    fn says(self, word: &str) -> Option<&'s str> {
        self.0?.get(word)?.as_str()
    }

    fn merge(self) -> Merge<'s> {
        match self.says("x-kubernetes-list-type") {
            Some("set") => Merge::Set,
            Some("map") => {
                let keys = self.0.and_then(|shape| shape.get("x-kubernetes-list-map-keys"));
                let keys = keys.and_then(Value::as_array).into_iter().flatten();
                Merge::Keyed(keys.filter_map(Value::as_str).collect())
            }
            _ => Merge::Atomic,
        }
    }
}

/// The step to a member of a list that is merged member by member.
fn member(merge: &Merge<'_>, member: &Value) -> Step {
    Step::Member(match merge {
        Merge::Keyed(keys) => {
            let pairs = keys
                .iter()
                .map(|key| format!("{key}={}", member.get(key).unwrap_or(&Value::Null)));
            format!("[{}]", pairs.collect::<Vec<_>>().join(","))
        }
        _ => format!("[={member}]"),
    })
}

/// Every field of `value` that can be owned, with what stands there. A member of a list stands there as such.
fn leaves<'v>(value: &'v Value, shape: Shape<'_>, path: &Path, found: &mut BTreeMap<Path, &'v Value>) {
    static MEMBER: Value = Value::Null;
    match (value, shape.merge()) {
        (Value::Object(map), _)
            if !map.is_empty() && shape.says("x-kubernetes-map-type") != Some("atomic") =>
        {
            for (name, value) in map {
                leaves(value, shape.field(name), &path.field(name), found);
            }
        }
        (Value::Array(list), merge @ (Merge::Set | Merge::Keyed(_))) if !list.is_empty() => {
            for one in list {
                let path = path.with(member(&merge, one));
                if matches!(merge, Merge::Keyed(_)) {
                    leaves(one, shape.members(), &path, found);
                }
                found.insert(path, &MEMBER);
            }
        }
        _ => {
            found.insert(path.clone(), value);
        }
    }
}

/// What the server sets and nobody owns.
const UNOWNED: [&str; 10] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
];

fn owned<'v>(object: &'v Value, shape: Shape<'_>, is_status: bool) -> BTreeMap<Path, &'v Value> {
    let mut found = BTreeMap::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        let path = Path::default().field(name);
        match name.as_str() {
            "apiVersion" | "kind" => {}
            _ if is_status != (name == "status") => {}
            "metadata" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    if !UNOWNED.contains(&name.as_str()) {
                        let shape = shape.field("metadata").field(name);
                        leaves(value, shape, &path.field(name), &mut found);
                    }
                }
            }
            _ => leaves(value, shape.field(name), &path, &mut found),
        }
    }
    found
}

/// What `live` becomes when `me` applies `said`, and who owns what then; or the fields that others own, by owner.
pub(super) fn apply(
    live: &Value,
    said: &Value,
    shape: Shape<'_>,
    owners: &Owners,
    me: &Manager,
    is_forced: bool,
) -> Result<(Value, Owners), Vec<(Manager, Path)>> {
    let mut owners = owners.clone();
    let set: Fields = owned(said, shape, me.is_status).into_keys().collect();
    let last = owners.insert(me.clone(), set).unwrap_or_default();
    let mut merged = live.clone();
    merge(&mut merged, said, shape);
    let is_claimed = |path: &Path| owners.values().any(|set| set.contains(path));
    // A member of a list comes before its fields, and takes them with it.
    for path in last.iter().filter(|path| !is_claimed(path)) {
        remove(&mut merged, shape, path, &is_claimed);
    }
    let (changed, removed) = differences(live, &merged, shape, me.is_status);
    let others = owners.iter().filter(|(other, _)| *other != me);
    let conflicts: Vec<(Manager, Path)> = others
        .flat_map(|(other, set)| {
            set.intersection(&changed)
                .map(|path| (other.clone(), path.clone()))
        })
        .collect();
    if !is_forced && !conflicts.is_empty() {
        return Err(conflicts);
    }
    take_from_others(&mut owners, me, &changed, &removed);
    Ok((merged, owners))
}

/// Who owns what after `me` wrote `new` over `live`.
pub(super) fn update(live: &Value, new: &Value, shape: Shape<'_>, owners: &mut Owners, me: &Manager) {
    let (changed, removed) = differences(live, new, shape, me.is_status);
    let own = owners.entry(me.clone()).or_default();
    own.retain(|path| !removed.contains(path));
    own.extend(changed.iter().cloned());
    take_from_others(owners, me, &changed, &removed);
}

fn take_from_others(owners: &mut Owners, me: &Manager, changed: &Fields, removed: &Fields) {
    for (_, set) in owners.iter_mut().filter(|(other, _)| *other != me) {
        set.retain(|path| !changed.contains(path) && !removed.contains(path));
    }
    owners.retain(|_, set| !set.is_empty());
}

/// What was added or changed, and what was removed.
fn differences(live: &Value, new: &Value, shape: Shape<'_>, is_status: bool) -> (Fields, Fields) {
    let (before, after) = (owned(live, shape, is_status), owned(new, shape, is_status));
    let changed = after
        .iter()
        .filter(|(path, value)| before.get(*path) != Some(value) && !has_below(&before, path));
    let changed = changed.map(|(path, _)| path.clone());
    let removed = before
        .keys()
        .filter(|path| !after.contains_key(path) && !has_below(&after, path));
    // A map or list that comes to be, or goes, is a field as well; one that is empty is among those above.
    let (was, is) = (holding(&before), holding(&after));
    let made = is.difference(&was).filter(|path| !before.contains_key(path));
    let gone = was.difference(&is).filter(|path| !after.contains_key(path));
    (
        changed.chain(made.cloned()).collect(),
        removed.chain(gone).cloned().collect(),
    )
}

/// The maps and lists that hold the fields of `all`; a list's member is a field of its own, and metadata is always there.
fn holding(all: &BTreeMap<Path, &Value>) -> Fields {
    let mut found = Fields::new();
    for path in all.keys() {
        let mut above = path.parent();
        while let Some(path) = above {
            above = path.parent();
            if !matches!(path.0.as_slice(), [Step::Field(name)] if name == "metadata")
                && !all.contains_key(&path)
            {
                found.insert(path);
            }
        }
    }
    found
}

/// Whether something stands below `path`: what was empty and is filled, or the other way round, is itself the same.
fn has_below(all: &BTreeMap<Path, &Value>, path: &Path) -> bool {
    let next = all.range((Bound::Excluded(path), Bound::Unbounded)).next();
    next.is_some_and(|(next, _)| next.0.starts_with(&path.0))
}

/// Lays `said` over `live`.
fn merge(live: &mut Value, said: &Value, shape: Shape<'_>) {
    match (live, said, shape.merge()) {
        (Value::Object(live), Value::Object(said), _)
            if shape.says("x-kubernetes-map-type") != Some("atomic") =>
        {
            for (name, said) in said {
                match live.get_mut(name) {
                    Some(live) => merge(live, said, shape.field(name)),
                    None => {
                        live.insert(name.clone(), said.clone());
                    }
                }
            }
        }
        (Value::Array(live), Value::Array(said), merged @ (Merge::Set | Merge::Keyed(_))) => {
            for one in said {
                let step = member(&merged, one);
                match live.iter_mut().find(|there| member(&merged, there) == step) {
                    Some(there) => merge(there, one, shape.members()),
                    None => live.push(one.clone()),
                }
            }
        }
        (live, said, _) => *live = said.clone(),
    }
}

/// Takes away what stands at `path`, and what holds nothing any more without it and nobody claims.
fn remove(object: &mut Value, shape: Shape<'_>, path: &Path, is_claimed: &impl Fn(&Path) -> bool) {
    let Some((last, above)) = path.0.split_last() else {
        return;
    };
    let mut here = Some((&mut *object, shape));
    for step in above {
        here = here.and_then(|(value, shape)| enter(value, shape, step));
    }
    let is_empty = match (here, last) {
        (Some((Value::Object(map), _)), Step::Field(name)) => {
            map.remove(name);
            map.is_empty()
        }
        (Some((Value::Array(members), shape)), step @ Step::Member(_)) => {
            let merge = shape.merge();
            members.retain(|one| member(&merge, one) != *step);
            members.is_empty()
        }
        _ => false,
    };
    if let Some(parent) = path.parent().filter(|parent| is_empty && !is_claimed(parent)) {
        remove(object, shape, &parent, is_claimed);
    }
}

fn enter<'v, 's>(value: &'v mut Value, shape: Shape<'s>, step: &Step) -> Option<(&'v mut Value, Shape<'s>)> {
    match (value, step) {
        (Value::Object(map), Step::Field(name)) => Some((map.get_mut(name)?, shape.field(name))),
        (Value::Array(list), Step::Member(_)) => {
            let merge = shape.merge();
            let found = list.iter_mut().find(|one| member(&merge, one) == *step)?;
            Some((found, shape.members()))
        }
        _ => None,
    }
}

/// What an apply may touch: the status by the status subresource, everything else by the object itself.
pub(super) fn of_subresource(said: &Value, is_status: bool) -> Value {
    let mut said: Map<String, Value> = said.as_object().cloned().unwrap_or_default();
    said.retain(|field, _| match field.as_str() {
        "status" => is_status,
        "apiVersion" | "kind" => false,
        _ => !is_status,
    });
    Value::Object(said)
}
