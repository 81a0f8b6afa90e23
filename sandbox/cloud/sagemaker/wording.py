"""Refusals whose words were not found in any real run, thread or document.

That AWS refuses is documented (or modelled, or inferred as noted); what it says is not known. Nothing should match on
these texts; tests match on the code and the part that names the reason.
"""

# The one exception (it was seen in a real run), kept here for all who say it.
MISSING_PACKAGE = "ModelPackage {arn} does not exist."

# CreateModel (or the deployment) refuses a versioned package that is not approved: documented; which call is not.
UNAPPROVED_PACKAGE = 'Model package "{arn}" is {status}; a versioned model package must be Approved to be deployed.'
# That a package which is not completed (or has no containers) cannot be deployed: inferred.
INCOMPLETE_PACKAGE = 'Model package "{arn}" is {status}; only a completed one with containers can be deployed.'
MISSING_IMAGE = "Requested image {image} not found."
BAD_IMAGE = 'The image "{image}" is not of the form <account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>.'
CONTAINER_SOURCES = "Exactly one of Image and ModelPackageName must be specified for container {index}."
CONTAINERS = "Exactly one of PrimaryContainer and Containers must be specified."
INFERENCE_COMPONENTS = "Production variants without ModelName (inference components) are not served here."
VARIANT_NAMES = "Variant names must be unique, production and shadow together."
ONE_SHADOW = "An endpoint configuration has at most one shadow variant."
SHADOW_NEEDS_ONE = "A shadow variant requires exactly one production variant."
SHADOW_SERVERLESS = "Shadow variants are not supported for serverless or asynchronous endpoints."
VARIANT_CAPACITY = "InitialInstanceCount and InstanceType are required for variant {variant}."
SERVERLESS = "Serverless variants are not served here."
FAILED_ENDPOINT = 'Cannot update failed endpoint "{arn}".'
TWO_POLICIES = "Exactly one of BlueGreenUpdatePolicy and RollingUpdatePolicy must be specified."
CANARY_SIZE = "CanarySize is required for CANARY and must be at most 50% of the instances of variant {variant}."
LINEAR_STEP = "LinearStepSize is required for LINEAR and must be 10% to 50% of the instances of variant {variant}."
ROLLING_BATCH = "MaximumBatchSize must be 5% to 50% of the instances of variant {variant}."
NO_SIZE = "{member} is not allowed for traffic routing type {type}."
MAXIMUM_TIME = "MaximumExecutionTimeoutInSeconds must be greater than the waits of the deployment ({seconds} s)."
MISSING_ALARM = "The alarms {names} of AutoRollbackConfiguration do not exist."
UNKNOWN_VARIANT = 'Could not find variant "{variant}" of endpoint "{arn}".'
ALL_WEIGHTS_ZERO = "At least one variant must have a weight greater than 0."
ALARM_ROLLBACK = "The deployment was rolled back because the alarms {names} are in ALARM state."
TIMEOUT_ROLLBACK = "The deployment was rolled back because it exceeded MaximumExecutionTimeoutInSeconds ({seconds})."
TAGS_ON_VERSION = "Tags are not supported for versioned model packages; tag the model package group instead."
# One token with two requests: CreateModelPackage models ConflictException; that this is what it is for is inferred.
ANOTHER_REQUEST = "The client token {token} was used with another request, which registered {arn}."
VALIDATION_JOBS = (
    "Validation jobs are not run here: leave out ValidationSpecification or set SkipModelValidation to All."
)
# That it is refused before CreateModelPackage answers is inferred, as is that it is the caller who has to read; the
# beginning is what CreateModel says, which goes on about its execution role.
INACCESSIBLE_DATA = (
    'Could not access model data at {url}. Please ensure that the caller has "s3:GetObject" permissions and that the '
    "object is located in {region}."
)
MISSING_RESOURCE = 'Could not find resource "{arn}".'
ADDITIONAL_SPECIFICATIONS = "A model package has at most {maximum} additional inference specifications."
MALFORMED_POLICY = "ResourcePolicy is not a policy document: a JSON object with a Statement."
GROUP_NOT_EMPTY = 'Model package group "{arn}" cannot be deleted: it still contains model packages.'
DUPLICATE_JOB = "Job name must be unique within an AWS account and region, and a job with name {name} already exists."
MISSING_JOB = "Requested resource not found."
NOT_RUNNING = "The request was rejected because the training job is in status {status}."
TARGET_VARIANT = "Variant {variant} was not found in endpoint {endpoint}."
TRAINING_ROLE = (
    "Could not assume role {role}. Please ensure that the role exists and allows principal 'sagemaker.amazonaws.com' "
    "to assume the role."
)
TRAINING_IMAGE = "AlgorithmSpecification.TrainingImage is required; built-in algorithm names are not served here."
SCALING_TARGET = "The resource {resource} is no variant of an endpoint that is in service."
SCALING_ARN = "{arn} is not the ARN of a scalable target."
ASYNCHRONOUS = "Endpoint {endpoint} does not support asynchronous inference."
# That a property has to be one of the resource's is documented.
SEARCH_PROPERTY = "Unknown property name {name} for resource type {kind}."
SEARCH_VALUE = "{value} is neither a number nor a moment of the form YYYY-mm-dd'T'HH:MM:SS."
