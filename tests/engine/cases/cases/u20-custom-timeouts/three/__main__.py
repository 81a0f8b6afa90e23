import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

t = pulumi.CustomTimeouts
a = Thing("a", "2", replace_key="k", opts=Opts(custom_timeouts=t(create="6m", update="90s", delete="1h")))
b = Thing("b", "1")
