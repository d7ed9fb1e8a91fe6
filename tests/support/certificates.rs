//! Certificates for tests, made by openssl(1).

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// An authority of our own: `ca.crt` and `ca.key` in the directory of the test.
pub(crate) struct Authority {
    directory: PathBuf,
    /// How openssl(1) makes a key of its kind, and the digest of its signatures.
    key: &'static str,
    digest: &'static str,
}

impl Authority {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Authority::of_kind(directory, P_256, "sha256")
    }

    /// One whose keys, and those of whom it certifies, are of this kind. It takes the place of the one before.
    pub(crate) fn of_kind(directory: PathBuf, key: &'static str, digest: &'static str) -> Self {
        let authority = Authority { directory, key, digest };
        authority.openssl(&format!(
            "req -x509 -newkey {key} -nodes -{digest} -days 365 -subj /CN=Test%CA -keyout ca.key -out ca.crt"
        ));
        authority
    }

    /// `NAME.key` and `NAME.crt`, valid from and until so many days from now.
    pub(crate) fn issue(&self, name: &str, for_whom: &str, from_days: i64, until_days: i64) {
        let key = self.key;
        self.openssl(&format!("req -newkey {key} -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        self.file(&format!("{name}.ext"), &format!("subjectAltName={for_whom}\nbasicConstraints=CA:FALSE\n"));
        self.file("index.txt", "");
        self.file("serial", "01\n");
        self.file(
            "ca.conf",
            &format!(
                "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md={}\n\
                 policy=any\nunique_subject=no\n[any]\ncommonName=supplied\n",
                self.digest
            ),
        );
        let (from, until) = (moment(from_days), moment(until_days));
        self.openssl(&format!(
            "ca -config ca.conf -batch -notext -cert ca.crt -keyfile ca.key -startdate {from} -enddate {until} \
             -extfile {name}.ext -in {name}.csr -out {name}.crt"
        ));
    }

    /// A certificate that has signed itself.
    pub(crate) fn self_signed(&self, name: &str, for_whom: &str, is_authority: bool) {
        let (key, digest) = (self.key, self.digest);
        let is_authority = if is_authority { "TRUE" } else { "FALSE" };
        self.openssl(&format!(
            "req -x509 -newkey {key} -nodes -{digest} -days 100 -subj /CN={name} -addext subjectAltName={for_whom} \
             -addext basicConstraints=critical,CA:{is_authority} -keyout {name}.key -out {name}.crt"
        ));
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.directory.join(name), text).expect("the test's directory is writable");
    }

    /// Words are separated by blanks; a blank in a word is written as `%`.
    fn openssl(&self, arguments: &str) {
        let words = arguments.split_whitespace().map(|word| word.replace('%', " "));
        let output = Command::new("openssl").args(words).current_dir(&self.directory).output();
        let output = output.expect("openssl runs: apt-get install openssl");
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The kind of key that most have.
pub(crate) const P_256: &str = "ec -pkeyopt ec_paramgen_curve:P-256";

/// So many days from now, as openssl wants it.
fn moment(days: i64) -> String {
    let text = Command::new("date").args(["-u", "-d", &format!("{days} days"), "+%Y%m%d%H%M%SZ"]).output();
    let text = text.expect("date runs").stdout;
    String::from_utf8_lossy(&text).trim().to_owned()
}
