/*
 * aws.h - the settings that AWS's own tools use: environment and files.
 *
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else the
 * profile $AWS_PROFILE ("default") of ~/.aws/credentials, else of ~/.aws/config
 * ($AWS_SHARED_CREDENTIALS_FILE and $AWS_CONFIG_FILE say where these are).  No
 * program is run and no metadata service is asked.
 */
#ifndef VM_SOURCE_AWS_H
#define VM_SOURCE_AWS_H

#include "lib/base/clean.h"
#include "lib/base/error.h"

struct vm_aws {
	char *key_id, *secret; /* NULL: nobody in particular */
	char *token;	       /* of a session, or NULL */
	char *region;	       /* $AWS_REGION, ...; "us-east-1" */
	char *endpoint;	       /* $AWS_ENDPOINT_URL_S3, ...; NULL: AWS */
};

/*
 * Read them.  VM_E_CONFIG "no_profile" (a profile that was asked for and is
 * nowhere), "half_credentials", "foreign_credentials" (a profile whose
 * credentials another program would have to make: the hint says how).
 */
int vm_aws_load(struct vm_aws *aws, struct vm_error *err) VM_MUST_CHECK;

void vm_aws_release(struct vm_aws *aws);
#define VM_CLEAN_AWS VM_CLEAN(vm_aws_release)

#endif
