import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "1", replace_key="3", opts=Opts(delete_before_replace=True))
