"""Why a vendor may ask: a closed list of purposes of the Data Privacy Vocabulary (W3C DPV), each in plain words."""

from __future__ import annotations

from vault.errors import N_

PURPOSES = {
    "ServiceProvision": N_("To provide its service"),
    "RequestedServiceProvision": N_("To do what you asked for"),
    "DeliveryOfGoods": N_("To deliver to you"),
    "CustomerOrderManagement": N_("To handle your orders"),
    "PaymentManagement": N_("To handle payment"),
    "AccountManagement": N_("To keep your account there"),
    "CustomerCare": N_("To help you as a customer"),
    "CommunicationForCustomerCare": N_("To write to you about your questions"),
    "CustomerClaimsManagement": N_("To handle returns and guarantees"),
    "DisputeManagement": N_("To settle a dispute"),
    "IdentityVerification": N_("To know that it is you"),
    "AgeVerification": N_("To know that you are old enough"),
    "FraudPreventionAndDetection": N_("To prevent fraud"),
    "LegalCompliance": N_("To obey the law"),
    "RightsFulfilment": N_("To honour your rights"),
    "Personalisation": N_("To make it personal"),
    "ServicePersonalisation": N_("To make its service personal"),
    "PersonalisedBenefits": N_("To give you personal offers and vouchers"),
    "ProvidePersonalisedRecommendations": N_("Personal recommendations"),
    "ProvideProductRecommendations": N_("Recommendations of products"),
    "ServiceUsageAnalytics": N_("To see how its service is used"),
    "ImproveExistingProductsAndServices": N_("To improve what it sells"),
    "AcademicResearch": N_("Academic research"),
    "DirectMarketing": N_("To advertise to you"),
    "PersonalisedAdvertising": N_("To show you advertisements made for you"),
    "TargetedAdvertising": N_("To choose you for advertisements, by what it knows of you"),
    "SellDataToThirdParties": N_("To sell it to others"),
}

# Never part of what is necessary: each stands in an optional item of its own, off until she switches it on.
DANGEROUS = frozenset({"DirectMarketing", "PersonalisedAdvertising", "TargetedAdvertising", "SellDataToThirdParties"})
