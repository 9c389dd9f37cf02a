//! The arrows of the house: which crate may know which, which library belongs to whom, and that the files of a
//! crate import each other in no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, UseTree, Visibility};

/// From the inside out. A crate knows crates of rooms further inside, and no other.
const ROOMS: &[&[&str]] = &[
    &["atthene-core"],
    &["atthene-store", "atthene-vault", "atthene-identity"],
    &["atthene-toolkits"],
    &["atthene-gateway"],
    &["atthene-service"],
    &["atthene-cli", "atthene-settings"],
];

/// Libraries that one room alone knows.
const OWNED: &[(&str, &str)] = &[
    ("rusqlite", "atthene-store"),
    ("tokio-postgres", "atthene-store"),
    ("keyring-core", "atthene-vault"),
    ("age", "atthene-vault"),
    ("reqwest", "atthene-identity"),
    ("oauth2", "atthene-identity"),
    ("axum", "atthene-gateway"),
    ("hyper", "atthene-gateway"),
    ("clap", "atthene-cli"),
    ("tauri", "atthene-settings"),
];

/// The rules speak of each other (a connection of its integration, the record of both): in here files may go back
/// and forth between folders. In every other crate, folders are rooms, too.
const WITHOUT_ROOMS: &str = "atthene-core";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// None: what the crate itself needs. Its tests may know more.
    kind: Option<String>,
}

fn packages() -> Result<Vec<Package>> {
    let asked = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let cargo = std::process::Command::new(env!("CARGO")).args(asked).output()?;
    ensure!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Metadata = serde_json::from_slice(&cargo.stdout)?;
    Ok(metadata.packages)
}

fn room(name: &str) -> Option<usize> {
    ROOMS.iter().position(|room| room.contains(&name))
}

#[test]
fn no_crate_knows_one_further_outside() -> Result<()> {
    for package in packages()? {
        let Some(own) = room(&package.name) else { continue };
        for known in package.dependencies.iter().filter(|known| known.kind.is_none()) {
            let Some(other) = room(&known.name) else { continue };
            ensure!(other < own, "{} knows {}, which is not further inside", package.name, known.name);
        }
    }
    Ok(())
}

#[test]
fn a_library_is_known_where_it_belongs() -> Result<()> {
    for package in packages()? {
        if room(&package.name).is_none() {
            continue;
        }
        for known in package.dependencies.iter().filter(|known| known.kind.is_none()) {
            let owner = OWNED.iter().find(|(library, _)| *library == known.name).map(|(_, owner)| *owner);
            ensure!(
                owner.is_none_or(|owner| owner == package.name),
                "{} knows {}, which belongs to {owner:?}",
                package.name,
                known.name
            );
        }
    }
    Ok(())
}

#[test]
fn the_files_of_a_crate_import_each_other_in_no_circle() -> Result<()> {
    let mut circles = Vec::new();
    for package in packages()? {
        let source = package.manifest_path.with_file_name("src");
        let root = ["lib.rs", "main.rs"].map(|name| source.join(name)).into_iter().find(|path| path.exists());
        let Some(root) = root else { continue };
        let modules = Modules::read(&root)?;
        let folders = if package.name == WITHOUT_ROOMS { Vec::new() } else { modules.circles_of_folders() };
        for circle in modules.circles().into_iter().chain(folders) {
            circles.push(format!("{}: {}", package.name, circle.join(" → ")));
        }
    }
    ensure!(circles.is_empty(), "{} circles:\n{}", circles.len(), circles.join("\n"));
    Ok(())
}

type ModulePath = Vec<String>;

/// The modules of one crate, as its files declare them.
struct Modules {
    /// The file that holds each module.
    files: BTreeMap<ModulePath, PathBuf>,
    /// What a module passes on under a name of its own.
    passed_on: BTreeMap<(ModulePath, String), ModulePath>,
    parsed: Vec<(ModulePath, PathBuf, syn::File)>,
    source: PathBuf,
}

impl Modules {
    fn read(root: &Path) -> Result<Self> {
        let source = root.parent().context("a folder")?.to_owned();
        let mut all = Self { files: BTreeMap::new(), passed_on: BTreeMap::new(), parsed: Vec::new(), source };
        all.read_file(Vec::new(), root)?;
        for (module, _, file) in &all.parsed {
            for item in &file.items {
                if let syn::Item::Use(item) = item
                    && !matches!(item.vis, Visibility::Inherited)
                {
                    for (path, name) in leaves(&item.tree) {
                        if let Some(target) = absolute(&all.files, module, &path) {
                            all.passed_on.insert((module.clone(), name), target);
                        }
                    }
                }
            }
        }
        Ok(all)
    }

    fn read_file(&mut self, module: ModulePath, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let file = syn::parse_file(&text).with_context(|| path.display().to_string())?;
        self.files.insert(module.clone(), path.to_owned());
        let is_root = matches!(path.file_name().and_then(|name| name.to_str()), Some("lib.rs" | "main.rs" | "mod.rs"));
        let folder = if is_root { path.with_file_name("") } else { path.with_extension("") };
        for item in &file.items {
            let syn::Item::Mod(child) = item else { continue };
            if is_for_tests(&child.attrs) {
                continue;
            }
            let name = child.ident.to_string();
            let mut inner = module.clone();
            inner.push(name.clone());
            if child.content.is_some() {
                // In the file itself.
                self.files.insert(inner, path.to_owned());
                continue;
            }
            let places = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
            let found = places.into_iter().find(|place| place.exists());
            self.read_file(inner, &found.with_context(|| format!("{name} of {}", path.display()))?)?;
        }
        self.parsed.push((module, path.to_owned(), file));
        Ok(())
    }

    /// The file that an absolute path leads to, through whoever passes it on.
    fn file_of(&self, path: &[String]) -> Option<&PathBuf> {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let known = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
            let module = path[..known].to_vec();
            let item = path.get(known)?;
            match self.passed_on.get(&(module.clone(), item.clone())) {
                Some(target) => path = [target.clone(), path[known + 1..].to_vec()].concat(),
                None => return self.files.get(&module),
            }
        }
        None
    }

    fn circles(&self) -> Vec<Vec<String>> {
        self.circles_of(Path::to_path_buf)
    }

    /// Circles between the folders of the crate, and the files beside them.
    fn circles_of_folders(&self) -> Vec<Vec<String>> {
        self.circles_of(|path| {
            let inside = path.strip_prefix(&self.source).unwrap_or(path);
            inside.components().next().map_or_else(PathBuf::new, |first| self.source.join(first))
        })
    }

    fn circles_of(&self, group: impl Fn(&Path) -> PathBuf) -> Vec<Vec<String>> {
        let mut graph: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
        for (module, path, file) in &self.parsed {
            let mut uses = Uses { modules: self, module: module.clone(), names: BTreeMap::new(), found: Vec::new() };
            uses.visit_file(file);
            let from = group(path);
            let to = uses.found.iter().filter_map(|found| self.file_of(found)).map(|other| group(other));
            let to: Vec<PathBuf> = to.filter(|other| *other != from).collect();
            graph.entry(from).or_default().extend(to);
        }
        let named = |path: &Path| path.strip_prefix(&self.source).unwrap_or(path).display().to_string();
        strongly_connected(&graph).into_iter().map(|files| files.iter().map(|file| named(file)).collect()).collect()
    }
}

/// What a file imports and names, tests aside.
struct Uses<'a> {
    modules: &'a Modules,
    module: ModulePath,
    /// Modules by the name that they have here.
    names: BTreeMap<String, ModulePath>,
    found: Vec<ModulePath>,
}

impl Visit<'_> for Uses<'_> {
    fn visit_item_mod(&mut self, item: &ItemMod) {
        if is_for_tests(&item.attrs) || item.content.is_none() {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        // Passing on is no import.
        if !matches!(item.vis, Visibility::Inherited) {
            return;
        }
        for (path, name) in leaves(&item.tree) {
            let Some(path) = absolute(&self.modules.files, &self.module, &path) else { continue };
            if self.modules.files.contains_key(&path) {
                self.names.insert(name, path);
            } else {
                self.found.push(path);
            }
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            let named = self.names.get(&segments[0]).map(|module| [module.clone(), segments[1..].to_vec()].concat());
            self.found.extend(named.or_else(|| absolute(&self.modules.files, &self.module, &segments)));
        }
        visit::visit_path(self, path);
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}

/// Every path that a `use` names, with the name that it gets.
fn leaves(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    fn walk(tree: &UseTree, before: &mut Vec<String>, all: &mut Vec<(Vec<String>, String)>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                walk(&path.tree, before, all);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| walk(tree, before, all)),
            UseTree::Name(name) if name.ident == "self" => {
                all.push((before.clone(), before.last().cloned().unwrap_or_default()));
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                all.push(([before.as_slice(), std::slice::from_ref(&name)].concat(), name));
            }
            UseTree::Rename(renamed) => {
                all.push(([before.as_slice(), &[renamed.ident.to_string()]].concat(), renamed.rename.to_string()));
            }
            UseTree::Glob(_) => all.push(([before.as_slice(), &["*".to_owned()]].concat(), "*".to_owned())),
        }
    }
    let mut all = Vec::new();
    walk(tree, &mut Vec::new(), &mut all);
    all
}

/// The path from the root of the crate; `None`: it leads out of it.
fn absolute(files: &BTreeMap<ModulePath, PathBuf>, module: &[String], path: &[String]) -> Option<ModulePath> {
    let mut at = module.to_vec();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => {
            at.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|first| first == "super") {
                at.pop()?;
                rest = &rest[1..];
            }
        }
        first => {
            at.push(first.to_owned());
            if !files.contains_key(&at) {
                return None;
            }
            at.pop();
        }
    }
    at.extend(rest.iter().cloned());
    Some(at)
}

/// Groups of files that reach each other (Tarjan), each longer than one.
fn strongly_connected(graph: &BTreeMap<PathBuf, BTreeSet<PathBuf>>) -> Vec<Vec<&PathBuf>> {
    struct Search<'a> {
        graph: &'a BTreeMap<PathBuf, BTreeSet<PathBuf>>,
        seen: BTreeMap<&'a PathBuf, (usize, usize)>,
        stack: Vec<&'a PathBuf>,
        groups: Vec<Vec<&'a PathBuf>>,
    }
    impl<'a> Search<'a> {
        fn visit(&mut self, file: &'a PathBuf) -> usize {
            let number = self.seen.len();
            self.seen.insert(file, (number, number));
            self.stack.push(file);
            let mut lowest = number;
            for next in self.graph.get(file).into_iter().flatten() {
                if !self.seen.contains_key(next) {
                    lowest = lowest.min(self.visit(next));
                } else if self.stack.contains(&next) {
                    lowest = lowest.min(self.seen[next].0);
                }
            }
            self.seen.insert(file, (number, lowest));
            if lowest == number {
                let at = self.stack.iter().position(|on| *on == file).unwrap_or_default();
                let group = self.stack.split_off(at);
                if group.len() > 1 {
                    self.groups.push(group);
                }
            }
            lowest
        }
    }
    let mut search = Search { graph, seen: BTreeMap::new(), stack: Vec::new(), groups: Vec::new() };
    for file in graph.keys() {
        if !search.seen.contains_key(file) {
            search.visit(file);
        }
    }
    search.groups
}

#[test]
fn a_circle_is_found_and_passing_on_is_none() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    write("lib.rs", "mod a; mod b; mod c; pub use a::One; use c::Three; fn f(_: Three) {}")?;
    write("a.rs", "use crate::b::Two; pub struct One(Two);")?;
    write("b.rs", "pub struct Two; #[cfg(test)] mod tests { use crate::a::One; }")?;
    write("c.rs", "use crate::One; pub struct Three(One);")?;
    assert!(Modules::read(&folder.path().join("lib.rs"))?.circles().is_empty());
    write("b.rs", "pub struct Two; impl Two { fn f(_: super::One) {} }")?;
    assert_eq!(Modules::read(&folder.path().join("lib.rs"))?.circles().len(), 1);

    // Two folders that know each other, though no two files do.
    std::fs::remove_file(folder.path().join("c.rs"))?;
    write("lib.rs", "mod a; mod b;")?;
    for name in ["a", "b"] {
        std::fs::remove_file(folder.path().join(name).with_extension("rs"))?;
        std::fs::create_dir(folder.path().join(name))?;
    }
    write("a/mod.rs", "pub mod one; pub mod two;")?;
    write("b/mod.rs", "pub mod three; pub mod four;")?;
    write("a/one.rs", "use crate::b::three::Three; pub struct One(Three);")?;
    write("a/two.rs", "pub struct Two;")?;
    write("b/three.rs", "pub struct Three;")?;
    write("b/four.rs", "use crate::a::two::Two; pub struct Four(Two);")?;
    let modules = Modules::read(&folder.path().join("lib.rs"))?;
    assert!(modules.circles().is_empty());
    assert_eq!(modules.circles_of_folders().len(), 1);
    Ok(())
}

/// Names that stand for one thing each, throughout the workspace. What a trait or a platform asks for is none.
#[test]
fn two_types_never_share_a_name() -> Result<()> {
    struct Names(BTreeSet<String>);
    impl Visit<'_> for Names {
        fn visit_item_mod(&mut self, item: &ItemMod) {
            if !is_for_tests(&item.attrs) {
                visit::visit_item_mod(self, item);
            }
        }
        fn visit_item_struct(&mut self, item: &syn::ItemStruct) {
            self.0.insert(item.ident.to_string());
        }
        fn visit_item_enum(&mut self, item: &syn::ItemEnum) {
            self.0.insert(item.ident.to_string());
        }
        fn visit_item_trait(&mut self, item: &syn::ItemTrait) {
            self.0.insert(item.ident.to_string());
        }
        fn visit_item_type(&mut self, item: &syn::ItemType) {
            self.0.insert(item.ident.to_string());
        }
    }
    /// One file for each platform.
    const OF_PLATFORMS: [&str; 1] = ["Programs"];
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut twice = Vec::new();
    for package in packages()?.into_iter().filter(|package| room(&package.name).is_some()) {
        let source = package.manifest_path.with_file_name("src");
        let root = ["lib.rs", "main.rs"].map(|name| source.join(name)).into_iter().find(|path| path.exists());
        for (_, path, file) in Modules::read(&root.context("a root")?)?.parsed {
            let mut names = Names(BTreeSet::new());
            names.visit_file(&file);
            for name in names.0.into_iter().filter(|name| !OF_PLATFORMS.contains(&name.as_str())) {
                if let Some(other) = seen.insert(name.clone(), path.clone()) {
                    twice.push(format!("{name}: {} and {}", other.display(), path.display()));
                }
            }
        }
    }
    ensure!(twice.is_empty(), "{}", twice.join("\n"));
    Ok(())
}
