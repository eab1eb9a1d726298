/* vmfetch - brings master images to the local store, verified. */
#include <string.h>

#include "lib/base/cli.h"
#include "lib/base/log.h"
#include "lib/base/progress.h"
#include "lib/source/auth.h"
#include "lib/image/run.h"
#include "lib/record/output.h"
#include "lib/store/lock.h"

struct opts {
	struct vm_cli_values values;
	const char *alias, *manifest, *checksum, *image, *cacert;
	const char *checksums, *signature, *keyring, *verify, *lock,
	    *manifest_out;
	const char *cert, *key, *auth_file;
	struct vm_cli_list roles, catalogs, mirrors;
	const char *refresh; /* "", "must"; NULL: do not */
	uint64_t max_size, lock_timeout, stall_timeout, limit_rate, auth_fd,
	    parallel, jobs;
	uint64_t lease; /* UINT64_MAX: none */
	bool offline, all, insecure, locked, no_private, no_part;
	bool pin, unpin;
};

#define AT(field) offsetof(struct opts, field)

static const struct vm_cli_option options[] = {
	{ 'a', "alias", "NAME", "call the image so, as its next generation",
	    VM_CLI_STRING, AT(alias), 0, 0, NULL },
	{ 'f', "file", "MANIFEST", "fetch what this manifest's roles need",
	    VM_CLI_STRING, AT(manifest), 0, 0, NULL },
	{ 0, "role", "ROLE", "only this role of the manifest; repeatable",
	    VM_CLI_LIST, AT(roles), 0, 0, NULL },
	{ 0, "image", "FILE", "take this file, or stdin when it is -",
	    VM_CLI_STRING, AT(image), 0, 0, NULL },
	{ 0, "catalog", "URL", "look names up in this list; repeatable",
	    VM_CLI_LIST, AT(catalogs), 0, 0, NULL },
	{ 0, "checksum", "DIGEST", "accept only sha256:HEX or sha512:HEX",
	    VM_CLI_STRING, AT(checksum), 0, 0, NULL },
	{ 0, "checksums", "URL", "find its digest in this file, or auto",
	    VM_CLI_STRING, AT(checksums), 0, 0, NULL },
	{ 0, "signature", "URL", "a detached signature of that file",
	    VM_CLI_STRING, AT(signature), 0, 0, NULL },
	{ 0, "keyring", "FILE", "that file must be signed by one of these keys",
	    VM_CLI_STRING, AT(keyring), 0, 0, NULL },
	{ 0, "verify", "WHAT", "what there must be: no, checksum, signature",
	    VM_CLI_STRING, AT(verify), 0, 0, NULL },
	{ 0, "lock", "FILE", "write down there what each alias is",
	    VM_CLI_STRING, AT(lock), 0, 0, NULL },
	{ 0, "locked", NULL, "accept only what the lock file says", VM_CLI_FLAG,
	    AT(locked), 0, 0, NULL },
	{ 0, "mirror", "URL", "have it from here too; repeatable", VM_CLI_LIST,
	    AT(mirrors), 0, 0, NULL },
	{ 0, "refresh", "[=must]", "ask the origin for a new generation",
	    VM_CLI_STRING, AT(refresh), 0, 0, NULL },
	{ 0, "offline", NULL, "use only what the store has", VM_CLI_FLAG,
	    AT(offline), 0, 0, NULL },
	{ 0, "all", NULL, "every alias (--refresh) or name (--catalog)",
	    VM_CLI_FLAG, AT(all), 0, 0, NULL },
	{ 0, "manifest-out", "FILE", "write what its OVF describes as manifest",
	    VM_CLI_STRING, AT(manifest_out), 0, 0, NULL },
	{ 0, "max-size", "SIZE", "refuse larger disks (default 2T)",
	    VM_CLI_SIZE, AT(max_size), 0, 0, NULL },
	{ 0, "insecure", NULL, "allow http without a digest", VM_CLI_FLAG,
	    AT(insecure), 0, 0, NULL },
	{ 0, "cacert", "FILE", "trust these certificates for https",
	    VM_CLI_STRING, AT(cacert), 0, 0, NULL },
	{ 0, "pin", NULL, "keep it, whatever else vmgc removes", VM_CLI_FLAG,
	    AT(pin), 0, 0, NULL },
	{ 0, "unpin", NULL, "let vmgc remove it again when it is unused",
	    VM_CLI_FLAG, AT(unpin), 0, 0, NULL },
	{ 0, "lease", "TIME", "keep it for so long, whatever vmgc removes",
	    VM_CLI_DURATION, AT(lease), 0, 0, NULL },
	{ 0, "cert", "FILE", "our certificate for https, PEM", VM_CLI_STRING,
	    AT(cert), 0, 0, NULL },
	{ 0, "key", "FILE", "its private key, if not in the same file",
	    VM_CLI_STRING, AT(key), 0, 0, NULL },
	{ 0, "auth-file", "FILE", "user:password or a token is in this file",
	    VM_CLI_STRING, AT(auth_file), 0, 0, NULL },
	{ 0, "auth-fd", "FD", "the same from an open descriptor", VM_CLI_NUMBER,
	    AT(auth_fd), 3, 1 << 20, NULL },
	{ 0, "no-private", NULL, "connect to public addresses only",
	    VM_CLI_FLAG, AT(no_private), 0, 0, NULL },
	{ 0, "lock-timeout", "TIME", "wait so long for another's download",
	    VM_CLI_DURATION, AT(lock_timeout), 0, 0, NULL },
	{ 0, "stall-timeout", "TIME", "give up when nothing comes (30s)",
	    VM_CLI_DURATION, AT(stall_timeout), 0, 0, NULL },
	{ 0, "limit-rate", "RATE", "at most so many bytes a second",
	    VM_CLI_SIZE, AT(limit_rate), 0, 0, NULL },
	{ 'j', "jobs", "N", "fetch N sources at a time (default 1)",
	    VM_CLI_NUMBER, AT(jobs), 1, 64, NULL },
	{ 0, "parallel", "N", "have one file over so many connections",
	    VM_CLI_NUMBER, AT(parallel), 1, 8, NULL },
	{ 0, "no-part", NULL, "keep nothing of a transfer that breaks off",
	    VM_CLI_FLAG, AT(no_part), 0, 0, NULL },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmfetch",
	.synopsis = "[SOURCE ...]",
	.summary = "brings master images to the local store, verified",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_OUTPUT,
};

/* All that is wrong with the manifest; the last line becomes the failure. */
static int
print_problems(struct vm_buf *problems, struct vm_error *err)
{
	char *line = problems->data, *next;

	while (line != NULL && (next = strchr(line, '\n')) != NULL &&
	    next[1] != '\0') {
		*next = '\0';
		vm_log(VM_LOG_ERROR, "%s", line);
		line = next + 1;
	}
	if (line != NULL && line != problems->data)
		vm_error_set(err, err->kind, err->code, "%.*s",
		    (int)strcspn(line, "\n"), line);
	return -1;
}

/* What the options say about servers and trust. */
static int
prepare(const struct opts *o, struct vm_fetch_options *fetch,
    struct vm_buf *secret, struct vm_error *err)
{
	fetch->reach.access.ca_file = o->cacert;
	fetch->reach.access.cert_file = o->cert;
	fetch->reach.access.key_file = o->key;
	fetch->reach.access.no_private = o->no_private;
	if (o->key != NULL && o->cert == NULL)
		return vm_cli_usage(&cli, err, "--key goes with --cert");
	if (o->auth_file != NULL && o->auth_fd != 0)
		return vm_cli_usage(&cli, err,
		    "--auth-file and --auth-fd exclude each other");
	if (o->verify != NULL &&
	    vm_trust_parse_verify(o->verify, &fetch->verify, err) == -1)
		return -1;
	if (vm_auth_check_files(&fetch->reach.access, err) == -1)
		return -1;
	if (o->auth_file == NULL && o->auth_fd == 0)
		return 0;
	return vm_auth_read(o->auth_file, (int)o->auth_fd, secret,
	    &fetch->reach.access, err);
}

static int
run(const struct opts *o, const struct vm_output *output, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf problems = { 0 };
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;
	struct vm_buf secret VM_CLEAN(vm_auth_forget) = { 0 };
	struct vm_image_options image = {
		.fetch = {
			.alias = o->alias,
			.reach.stall_ms = o->stall_timeout,
			.reach.max_rate = o->limit_rate,
			.reach.parallel = (unsigned)o->parallel,
			.reach.insecure = o->insecure,
			.max_bytes = o->max_size,
			.lock_wait_ms = o->lock_timeout,
			.no_part = o->no_part,
			.refresh = o->refresh != NULL,
			.must_refresh = o->refresh != NULL &&
			    strcmp(o->refresh, "must") == 0,
			.offline = o->offline,
			.dry_run = o->values.dry_run,
			.lock_file = o->lock,
			.locked = o->locked,
		},
		.operands = o->values.operands,
		.operand_count = o->values.operand_count,
		.manifest = o->manifest,
		.roles = o->roles.items,
		.role_count = o->roles.count,
		.image = o->image,
		.checksum = o->checksum,
		.checksums = o->checksums,
		.signature = o->signature,
		.keyring = o->keyring,
		.catalogs = o->catalogs.items,
		.catalog_count = o->catalogs.count,
		.mirrors = o->mirrors.items,
		.mirror_count = o->mirrors.count,
		.all = o->all,
		.jobs = o->jobs,
		.pin = {
			.pin = o->pin,
			.unpin = o->unpin,
			.lease = o->lease != UINT64_MAX,
			.lease_ms = o->lease,
		},
		.manifest_out = o->manifest_out,
		.problems = &problems,
	};

	if (prepare(o, &image.fetch, &secret, err) == -1)
		return -1;
	store = vm_store_open(o->values.root, !o->values.dry_run, err);
	/* To a dry run, a store that is not there yet is an empty one. */
	if (store == NULL &&
	    (!o->values.dry_run || strcmp(err->code, "no_store") != 0))
		return -1;
	vm_error_clear(err);
	if (vm_image_run(store, &image, &records, err) == -1)
		return print_problems(&problems, err);
	return vm_output_finish(output, &o->values, cli.name, &records, err);
}

static int
parse(struct opts *o, int argc, char *argv[], struct vm_error *err)
{
	if (vm_cli_parse(&cli, o, argc, argv, err) == -1)
		return -1;
	if (o->refresh != NULL && o->refresh[0] != '\0' &&
	    strcmp(o->refresh, "must") != 0 && strcmp(o->refresh, "try") != 0)
		return vm_cli_usage(&cli, err, "--refresh is try or must");
	if (o->refresh != NULL && o->offline)
		return vm_cli_usage(&cli, err,
		    "--refresh and --offline exclude each other");
	return 0;
}

int
main(int argc, char *argv[])
{
	struct opts opts = { .lock_timeout = VM_LOCK_FOREVER,
		.lease = UINT64_MAX };
	struct vm_output output = vm_output_pipe;
	struct vm_error err = { 0 };

	output.fields = "service,role,state,image.alias,image.generation,"
			"image.virtual_size,image.id";
	output.makes_images = true;
	vm_cli_start(&cli);
	if (parse(&opts, argc, argv, &err) == -1)
		return vm_cli_fail(&err);
	if (vm_output_help(&output, &opts.values))
		return vm_cli_finish();
	vm_progress_setup(!opts.values.quiet && isatty(STDERR_FILENO));
	if (run(&opts, &output, &err) == -1)
		return vm_output_fail(&output, &opts.values, cli.name, &err);
	return vm_cli_finish();
}
