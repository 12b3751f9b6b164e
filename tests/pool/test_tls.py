"""Which certificates can be stored: such as load, each whole, and never a key."""

import shutil
import ssl
import subprocess

import pytest

from pool import tls

pytestmark = pytest.mark.skipif(
    not shutil.which("openssl"), reason="openssl makes the certificates"
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate and its key, in PEM."""
    folder = tmp_path_factory.mktemp("ca")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    command += " -subj /CN=Our-CA -days 2 -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return (folder / "cert.pem").read_text(), (folder / "key.pem").read_text()


@pytest.fixture
def certificate(authority):
    return authority[0]


def refusal(text):
    with pytest.raises(ValueError, match=r"\.$") as caught:
        tls.normalise_certificates(text)
    return str(caught.value)


def test_nothing_is_nothing():
    assert tls.normalise_certificates(" \r\n") == ""
    assert tls.fingerprints("") == []


def test_certificates_have_one_spelling(certificate):
    noisy = f"subject=CN = Müller\r\n{certificate}\nsome words\n\n".replace("\n", "\r\n")
    assert tls.normalise_certificates(noisy) == certificate
    assert tls.normalise_certificates(certificate * 2) == certificate * 2


def test_what_is_stored_can_be_trusted(certificate):
    stored = tls.normalise_certificates(certificate)
    (trusted,) = tls.client_context(ca=stored).get_ca_certs()
    assert trusted["subject"] == ((("commonName", "Our-CA"),),)


def test_a_private_key_is_refused_and_not_repeated(authority):
    certificate, key = authority
    secret = key.splitlines()[1]
    for text in (key, certificate + key, key + certificate, key.replace("\n", "\r\n")):
        message = refusal(text)
        assert message.startswith("Remove the private key")
        assert secret not in message


@pytest.mark.parametrize(
    "label",
    [
        "RSA PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
        "private  key",
    ],
)
def test_a_key_in_any_wrapping_is_seen(label):
    assert tls.holds_private_key(f"-----BEGIN {label}-----\nMC4=\n-----END {label}-----")


def test_a_key_under_the_label_of_a_certificate_is_refused(authority):
    certificate, key = authority
    disguised = key.replace("PRIVATE KEY", "CERTIFICATE")
    assert refusal(certificate + disguised).startswith("Certificate 2 cannot be read")


def test_a_key_behind_a_certificate_in_one_block_is_refused(authority):
    ders = [
        ssl.PEM_cert_to_DER_cert(pem.replace("PRIVATE KEY", "CERTIFICATE")) for pem in authority
    ]
    assert "cannot be read" in refusal(ssl.DER_cert_to_PEM_cert(b"".join(ders)))


@pytest.mark.parametrize("label", ["PUBLIC KEY", "CERTIFICATE REQUEST", "X509 CRL", "PKCS7"])
def test_other_things_in_pem_are_refused(certificate, label):
    other = f"-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n"
    assert refusal(certificate + other).startswith("Remove all but the certificates")


@pytest.mark.parametrize(
    "change",
    [
        lambda pem: "nonsense",
        lambda pem: pem.replace("-----BEGIN CERTIFICATE-----", ""),
        lambda pem: pem.replace("-----END CERTIFICATE-----", ""),
        lambda pem: pem + pem[:200],
        lambda pem: pem.replace("MI", "M\x00", 1),
        lambda pem: pem.replace("MI", "Mä", 1),
    ],
)
def test_incomplete_certificates_are_refused(certificate, change):
    assert refusal(change(certificate)).startswith("Give certificates in PEM, each whole")


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0], lines[-1]],
        lambda lines: lines[:2] + lines[3:],
        lambda lines: [lines[0], lines[1][::-1], *lines[2:]],
        lambda lines: [lines[0], "A", *lines[1:]],
    ],
)
def test_damaged_certificates_are_refused(certificate, change):
    damaged = "\n".join(change(certificate.splitlines()))
    assert "cannot be read" in refusal(certificate + damaged) or "whole" in refusal(damaged)


def test_there_is_a_limit_to_their_size(certificate):
    copies = tls.MAX_CA_BYTES // len(certificate) + 1
    assert refusal(certificate * copies).startswith("Shorten it to 65536 bytes")


def test_a_fingerprint_is_the_one_that_openssl_shows(certificate, tmp_path):
    (tmp_path / "cert.pem").write_text(certificate)
    command = "openssl x509 -noout -fingerprint -sha256 -in cert.pem"
    shown = subprocess.run(
        command.split(), cwd=tmp_path, check=True, capture_output=True, text=True
    )
    expected = shown.stdout.partition("=")[2].strip().replace(":", "").lower()
    assert tls.fingerprints(certificate) == [f"SHA-256 {expected}"]


def test_the_default_is_to_verify_against_the_systems_authorities():
    context = tls.client_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_verification_can_be_turned_off():
    context = tls.client_context(verify=False)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)
