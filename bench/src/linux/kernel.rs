//! The distribution's stock Linux kernel, by its package manager. It is downloaded, not installed: no root is needed.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The package that always depends on the newest kernel.
const NEWEST: &str = "linux-image-amd64";
/// Where a package keeps its kernel.
const PATTERN: &str = "./boot/vmlinuz-*";

/// The kernel in `folder`, downloaded now if none is there.
pub fn get(folder: &Path) -> Result<PathBuf> {
    if let Some(kernel) = find(folder)? {
        return Ok(kernel);
    }
    let package = newest()?;
    eprintln!("bench: downloading {package} into {}", folder.display());
    run(Command::new("apt-get").current_dir(folder).args(["download", "-q", &package]).stdout(Stdio::null()))
        .with_context(|| format!("`apt-get download {package}` failed; `apt-get update` as root may help"))?;
    unpack(folder)?;
    find(folder)?.with_context(|| format!("the package {package} has no kernel"))
}

fn find(folder: &Path) -> Result<Option<PathBuf>> {
    let is_kernel =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"));
    let files = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    Ok(files.into_iter().map(|file| file.path()).filter(is_kernel).max())
}

/// The package of the newest kernel.
fn newest() -> Result<String> {
    let output = Command::new("apt-cache").args(["depends", NEWEST]).output().context("there is no apt here")?;
    parse_depends(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("apt knows no package {NEWEST}; run `apt-get update` as root"))
}

fn parse_depends(text: &str) -> Option<String> {
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.map(String::from).find(|name| name.starts_with("linux-image-"))
}

/// Takes the kernel out of the package, and deletes the package.
fn unpack(folder: &Path) -> Result<()> {
    for package in std::fs::read_dir(folder)? {
        let package = package?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            let mut files =
                Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&package).stdout(Stdio::piped()).spawn()?;
            let archive = files.stdout.take().context("the output was piped")?;
            let mut tar = Command::new("tar");
            tar.current_dir(folder).args(["-x", "--strip-components=2", "--wildcards", PATTERN]).stdin(archive);
            run(&mut tar)?;
            ensure!(files.wait()?.success(), "{} cannot be read", package.display());
            std::fs::remove_file(package)?;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn the_newest_kernel_is_what_the_general_package_depends_on() {
        let text = "linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n  Suggests: other\n";
        assert_eq!(parse_depends(text).as_deref(), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(parse_depends("W: unknown package\n"), None);
    }
}
