#include "lib/source/gpgv.h"

#include <sys/mman.h>

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "lib/adapt/crypto_sign.h"
#include "lib/base/fd.h"
#include "lib/base/proc.h"

#define STATUS_MAX ((size_t)64 << 10)
#define TIMEOUT_MS 60000
#define PATH_TEXT 32
#define SIGNED_BEGIN "-----BEGIN PGP SIGNED MESSAGE-----"
#define KEY_BEGIN "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define KEY_END "-----END PGP PUBLIC KEY BLOCK-----"

/* gpgv's word for a failure, ours, and what to type (or NULL). */
static const struct verdict {
	const char *keyword, *code, *what, *hint;
} verdicts[] = {
	{ "BADSIG", "bad_signature", "of another file, or changed", NULL },
	{ "UNEXPECTED", "bad_signature", "there is more than it signs", NULL },
	{ "NODATA", "bad_signature", "not an OpenPGP signature", NULL },
	{ "ERROR", "bad_signature", "gpgv cannot make sense of it", NULL },
	{ "REVKEYSIG", "revoked_key", "its key is revoked", NULL },
	{ "EXPKEYSIG", "expired_key", "its key has expired", NULL },
	{ "EXPSIG", "expired_signature", "it has expired", NULL },
	{ "NO_PUBKEY", "unknown_key", "its key is not in the keyring",
	    "vmfetch --keyring FILE, with the publisher's key" },
	{ "ERRSIG", "weak_signature", "its algorithm is weak or unknown",
	    NULL },
};
#define FATAL 4 /* the first four: whatever else there is */
#define UNKNOWN_KEY 7
#define VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

struct outcome {
	bool candidate; /* GOODSIG of the signature at hand */
	bool good;	/* a whole one */
	bool weak;	/* good, but by a weak algorithm */
	bool seen[VERDICTS];
};

/* --- files for it -------------------------------------------------------- */

/* A nameless file in memory with these bytes, and its name for a child. */
static int
make_file(const void *data, size_t len, char path[PATH_TEXT],
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = memfd_create("vmfetch", MFD_CLOEXEC);

	if (fd == -1)
		return vm_error_errno(err, errno, "memory file");
	if (len > 0 && vm_fd_pwrite(fd, data, len, 0, "memory file", err) == -1)
		return -1;
	snprintf(path, PATH_TEXT, "/proc/self/fd/%d", fd);
	return VM_TAKE_FD(fd);
}

static int
fail_key(struct vm_error *err)
{
	return vm_error_set(err, VM_E_DENIED, "bad_key",
	    "the keyring is not what gpg --export prints");
}

/* The base64 of an armoured key (RFC 4880 section 6.2) without line ends. */
static int
gather(const char *text, const char *end, struct vm_buf *base64,
    struct vm_error *err)
{
	const char *line = text;
	bool headers = true;

	while (line < end) {
		size_t len = strcspn(line, "\r\n");
		bool checksum = line[0] == '=';

		if (headers)
			headers = len > 0;
		else if (!checksum && vm_buf_add(base64, line, len, err) == -1)
			return -1;
		line += len;
		line += *line == '\r';
		line += *line == '\n';
	}
	return 0;
}

/* One armoured block after another; gpgv reads binary keyrings only. */
static int
remove_armour(const struct vm_buf *armoured, struct vm_buf *keyring,
    struct vm_error *err)
{
	const char *begin = armoured->data, *end;

	while ((begin = strstr(begin, KEY_BEGIN)) != NULL) {
		VM_CLEAN_BUF struct vm_buf base64 = { 0 };
		long got;

		end = strstr(begin, KEY_END);
		begin = strchr(begin, '\n');
		if (begin++ == NULL || end == NULL || begin > end)
			return fail_key(err);
		if (gather(begin, end, &base64, err) == -1 ||
		    vm_buf_reserve(keyring, base64.len, err) == -1)
			return -1;
		got = vm_sign_decode(base64.data, base64.len,
		    (unsigned char *)keyring->data + keyring->len, base64.len);
		if (got <= 0)
			return fail_key(err);
		keyring->len += (size_t)got;
		begin = end;
	}
	return 0;
}

static int
make_keyring(const struct vm_buf *file, char path[PATH_TEXT],
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf binary = { 0 };

	if (file->len == 0)
		return fail_key(err);
	/* Binary keys begin with a packet's tag, which has the top bit set, or
	 * are a keybox. */
	if (((unsigned char)file->data[0] & 0x80) != 0 ||
	    (file->len > 12 && memcmp(file->data + 8, "KBXf", 4) == 0))
		return make_file(file->data, file->len, path, err);
	if (remove_armour(file, &binary, err) == -1)
		return -1;
	if (binary.len == 0)
		return fail_key(err);
	return make_file(binary.data, binary.len, path, err);
}

/* --- what it says -------------------------------------------------------- */

/* Numbers of RFC 4880 section 9, as in VALIDSIG's fields. */
static bool
is_strong(const char *algorithm, const char *hash)
{
	static const char *const algorithms[] = { "1", "3", "19", "22", NULL };
	static const char *const hashes[] = { "8", "9", "10", NULL };
	bool fine[2] = { false, false };

	for (size_t i = 0; algorithms[i] != NULL; i++)
		fine[0] |= strcmp(algorithms[i], algorithm) == 0;
	for (size_t i = 0; hashes[i] != NULL; i++)
		fine[1] |= strcmp(hashes[i], hash) == 0;
	return fine[0] && fine[1];
}

/*
 * VALIDSIG fingerprint date time expires version reserved algorithm hash class:
 * only after GOODSIG of the same signature is it one without reservations.
 */
static void
read_valid(struct outcome *outcome, char *fields)
{
	char *field[9], *save = NULL;
	size_t count = 0;

	for (char *word = strtok_r(fields, " ", &save);
	     word != NULL && count < 9; word = strtok_r(NULL, " ", &save))
		field[count++] = word;
	if (!outcome->candidate || count < 9 ||
	    (strcmp(field[8], "00") != 0 && strcmp(field[8], "01") != 0))
		return;
	if (is_strong(field[6], field[7]))
		outcome->good = true;
	else
		outcome->weak = true;
}

static void
read_status(char *status, struct outcome *outcome)
{
	static const char prefix[] = "[GNUPG:] ";
	char *save = NULL;

	for (char *line = strtok_r(status, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *word = line + strlen(prefix), *fields;

		if (strncmp(line, prefix, strlen(prefix)) != 0)
			continue;
		fields = strchr(word, ' ');
		if (fields != NULL)
			*fields++ = '\0';
		if (strcmp(word, "NEWSIG") == 0)
			outcome->candidate = false;
		else if (strcmp(word, "GOODSIG") == 0)
			outcome->candidate = true;
		else if (strcmp(word, "VALIDSIG") == 0 && fields != NULL)
			read_valid(outcome, fields);
		for (size_t i = 0; i < VERDICTS; i++)
			outcome->seen[i] |= strcmp(word, verdicts[i].keyword) ==
			    0;
	}
}

static int
fail(const struct verdict *verdict, struct vm_error *err)
{
	vm_error_set(err, VM_E_DENIED, verdict->code,
	    "the signature is not good: %s", verdict->what);
	return verdict->hint == NULL ? -1 :
				       vm_error_hint(err, "%s", verdict->hint);
}

static int
judge(const struct outcome *outcome, int status, struct vm_error *err)
{
	bool fatal = false;

	for (size_t i = 0; i < FATAL; i++)
		fatal |= outcome->seen[i];
	if (outcome->good && !fatal &&
	    (status == 0 || outcome->seen[UNKNOWN_KEY]))
		return 0;
	for (size_t i = 0; i < VERDICTS; i++)
		if (outcome->seen[i])
			return fail(&verdicts[i], err);
	if (outcome->weak)
		return vm_error_set(err, VM_E_DENIED, "weak_signature",
		    "the signature is not good: its algorithm is weak");
	return vm_error_set(err, VM_E_DENIED, "bad_signature",
	    "the signature is not good: gpgv ends with %d", status);
}

/* --- the whole ----------------------------------------------------------- */

bool
vm_gpgv_is_signed(const struct vm_buf *text)
{
	return text->len > strlen(SIGNED_BEGIN) &&
	    memcmp(text->data, SIGNED_BEGIN, strlen(SIGNED_BEGIN)) == 0;
}

static int
run(const char *const *argv, const int *fds, size_t count,
    struct vm_proc_result *result, struct vm_error *err)
{
	static const char *const env[] = { "LC_ALL=C", "GNUPGHOME=/nonexistent",
		NULL };
	const struct vm_proc_options options = {
		.argv = argv,
		.env = env,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.keep_fds = fds,
		.keep_count = count,
		.timeout_ms = TIMEOUT_MS,
		.output_max = (size_t)2 << 20,
	};

	if (vm_proc_run(&options, result, err) == 0)
		return 0;
	return err != NULL && strcmp(err->code, "no_program") == 0 ?
	    vm_error_hint(err, "apt-get install gpgv") :
	    -1;
}

int
vm_gpgv_verify(const struct vm_buf *keyring, const struct vm_buf *signature,
    struct vm_buf *text, struct vm_error *err)
{
	char paths[4][PATH_TEXT], number[16];
	VM_CLEAN_FD int keys = make_keyring(keyring, paths[0], err);
	VM_CLEAN_FD int data = keys == -1 ?
	    -1 :
	    make_file(text->data, text->len, paths[1], err);
	VM_CLEAN_FD int status = data == -1 ? -1 :
					      make_file(NULL, 0, paths[2], err);
	VM_CLEAN_FD int detached = status == -1 ?
	    -1 :
	    signature == NULL ?
	    dup(data) :
	    make_file(signature->data, signature->len, paths[3], err);
	const int fds[] = { keys, data, status, detached };
	const char *argv[] = { "gpgv", "--status-fd", number, "--weak-digest",
		"SHA1", "--keyring", paths[0],
		signature == NULL ? "--output" : paths[3],
		signature == NULL ? "-" : paths[1],
		signature == NULL ? paths[1] : NULL, NULL };
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };
	VM_CLEAN_BUF struct vm_buf said = { 0 };
	struct outcome outcome = { 0 };

	if (detached == -1)
		return -1;
	snprintf(number, sizeof(number), "%d", status);
	if (run(argv, fds, 4, &result, err) == -1)
		return -1;
	if (lseek(status, 0, SEEK_SET) == -1)
		return vm_error_errno(err, errno, "gpgv's status");
	if (vm_fd_slurp(status, STATUS_MAX, &said, "gpgv's status", err) == -1)
		return -1;
	if (said.data != NULL)
		read_status(said.data, &outcome);
	if (judge(&outcome, result.status, err) == -1)
		return -1;
	if (signature == NULL) {
		vm_buf_release(text);
		*text = result.out;
		result.out = (struct vm_buf){ 0 };
	}
	return 0;
}
