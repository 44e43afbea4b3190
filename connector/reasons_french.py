"""The reason codes in French, for mails; `reasons.py` has them in English."""

from lengow.connector.reasons import Reason

REASONS_FRENCH: dict[str, Reason] = {
    "waiting_acceptance": Reason(
        "La commande, ou une de ses lignes, attend d’être acceptée sur la place de marché.",
        "L’accepter chez Lengow ou sur la place de marché ; elle est alors importée.",
    ),
    "not_yet_importable": Reason(
        "Le statut de la commande chez Lengow n’est pas de ceux qui s’importent.",
        "Rien : elle est importée dès qu’elle est à expédier.",
    ),
    "unknown_marketplace": Reason(
        "Lengow ne décrit pas cette place de marché : aucune expédition ne pourrait lui être confirmée.",
        "Demander à Lengow de la relier au compte ; la commande est réexaminée à chaque synchronisation.",
    ),
    "unknown_product": Reason(
        "La boutique n’a pas de produit avec cette référence.",
        'Créer le produit, ou mettre unknown_products = "import" ; la commande est reprise d’elle-même.',
    ),
    "outcome_unknown": Reason(
        "La réponse de la boutique à la création s’est perdue.",
        "Rien : le connecteur demande à la boutique si elle a la commande avant de la renvoyer.",
    ),
    "shop_unavailable": Reason(
        "La boutique est injoignable ou en panne.",
        "Vérifier que la boutique répond ; le connecteur réessaie de lui-même.",
    ),
    "no_shop": Reason(
        "Aucune boutique configurée ne prend les commandes de cette place de marché et de ce catalogue.",
        "Ajouter la place de marché ou le catalogue à une boutique de ce compte.",
    ),
    "refused_before_import": Reason("La commande a été refusée avant d’être importée.", "Rien."),
    "canceled_before_import": Reason("La commande a été annulée avant d’être importée.", "Rien."),
    "refunded_before_import": Reason("La commande a été remboursée avant d’être importée.", "Rien."),
    "delivered_by_marketplace_disabled": Reason(
        "La place de marché expédie elle-même cette commande, et la boutique n’en importe pas de telles.",
        "Activer import_orders_shipped_by_marketplaces pour l’importer.",
    ),
    "delivered_by_marketplace_unsupported": Reason(
        "La place de marché expédie elle-même cette commande, et cette plateforme ne peut pas en importer de telles.",
        "Rien ; la suivre chez Lengow.",
    ),
    "anonymized": Reason(
        "Les données de l’acheteur ont été effacées, chez Lengow ou ici : la commande ne peut plus être livrée.",
        "Rien ; la suivre chez Lengow.",
    ),
    "no_lines": Reason(
        "La commande n’a aucune ligne.", "La voir sur la place de marché ; elle est relue quand elle change."
    ),
    "before_start_date": Reason(
        "La commande est antérieure au start_date de la boutique.", "Avancer start_date pour l’importer."
    ),
    "already_imported_elsewhere": Reason(
        "Un autre système a la commande : Lengow a pour elle un numéro marchand qui n’est pas des nôtres, ou elle est dans "
        "une boutique par un autre de nos comptes.",
        "Si une copie plus ancienne de la base a été remise, `reconcile --fix` la reprend. Si aucun ne l’a, mettre "
        "import_orders_with_merchant_order_id = true ; pour deux comptes, `orders retry` la recrée.",
    ),
    "lines_moved": Reason("Ses lignes sont passées à d’autres colis de la commande avant sa création.", "Rien."),
    "order_undecodable": Reason(
        "Un champ de la commande manque ou n’est pas du bon type.",
        "Le signaler à Lengow ; elle est gardée telle quelle, et relue quand elle change ou par `orders retry`.",
    ),
    "duplicate_line": Reason(
        "Deux lignes de la commande ont le même identifiant.", "Le signaler à Lengow ; puis `orders retry`."
    ),
    "no_exchange_rate": Reason(
        "Lengow n’a pas de taux de change pour cette commande (son total est -1).",
        "Demander le taux à Lengow ; puis `orders retry`.",
    ),
    "unknown_currency": Reason(
        "La devise de la commande manque ou n’est pas un code ISO 4217.", "Le signaler à Lengow ; puis `orders retry`."
    ),
    "negative_amount": Reason("Un montant de la commande est négatif.", "Le signaler à Lengow ; puis `orders retry`."),
    "invalid_quantity": Reason(
        "La quantité d’une ligne n’est pas d’au moins 1.", "Le signaler à Lengow ; puis `orders retry`."
    ),
    "no_delivery_country": Reason(
        "L’adresse de livraison n’a pas de pays.",
        "La compléter sur la place de marché ou chez Lengow ; puis `orders retry`.",
    ),
    "rejected_by_shop": Reason(
        "La boutique a refusé la commande.", "Corriger ce que dit son texte ; puis `orders retry`."
    ),
    "not_erased": Reason(
        "Les données de l’acheteur n’ont pas pu être effacées à l’échéance.",
        "Corriger ce que nomme le texte à côté ; un nouvel essai a lieu chaque jour.",
    ),
    "gave_up": Reason(
        "Toutes les tentatives ont échoué.", "Corriger ce que dit le dernier échec ; puis `orders retry`."
    ),
    # Ce qui se passe chez Lengow pour une commande qui est dans une boutique.
    "dismissed": Reason(
        "Une personne a décidé qu’elle ne sera pas importée, pour la raison donnée.",
        "Rien ; `orders retry` la réexamine.",
    ),
    "asked_by_settings": Reason(
        "Les réglages soumettent un tel changement à une personne.",
        "`changes apply` l’apporte à la boutique, `changes dismiss` laisse la boutique telle quelle.",
    ),
    "ignored_by_settings": Reason("Les réglages ignorent un tel changement.", "Rien."),
    "platform_cannot": Reason(
        "L’adaptateur de cette plateforme ne sait pas apporter un tel changement.",
        "Le faire à la main dans la boutique ; puis `changes dismiss`.",
    ),
    "refund_amount_unknown": Reason(
        "La commande a été remboursée en partie, et Lengow ne dit pas de combien.",
        "La voir sur la place de marché, l’inscrire dans la boutique ; puis `changes dismiss`.",
    ),
    "refunded_before": Reason(
        "Des lignes déjà remboursées sont annulées.",
        "Voir que rien ne soit inscrit deux fois ; puis `changes apply` ou `changes dismiss`.",
    ),
    "cancelled_after_shipment": Reason(
        "La place de marché a annulé ce qui était déjà parti, d’après elle ou d’après nous.",
        "Voir où est le colis ; `changes apply` l’annule dans la boutique, sinon `changes dismiss`.",
    ),
    "shipment_taken_back": Reason(
        "La place de marché compte comme non expédié ce qu’elle comptait comme expédié.",
        "Regarder la commande là-bas ; si elle est expédiée, `actions retry` de sa confirmation la redit. "
        "Puis `changes dismiss`.",
    ),
    "reopened": Reason(
        "La place de marché est revenue sur une annulation ; la boutique ne rouvre pas la commande d’elle-même.",
        "La rouvrir à la main dans la boutique, ou la refuser sur la place de marché ; puis `changes dismiss`.",
    ),
    "lines_vanished": Reason(
        "Lengow ne montre plus des lignes qui sont dans la commande de la boutique.",
        "Voir la commande sur la place de marché ; `changes apply` les annule dans la boutique.",
    ),
    "total_lowered": Reason(
        "Le total de la commande a baissé chez Lengow sans qu’une ligne, le port ou un remboursement dise pourquoi : "
        "de l’argent a été rendu, semble-t-il.",
        "Regarder sur la place de marché ; `changes apply` enregistre ce remboursement, sinon `changes dismiss`.",
    ),
    "not_compared": Reason(
        "Ce qui a changé dans la commande chez Lengow n’a pas pu être déterminé.",
        "La comparer à la main avec celle de la boutique, puis `changes dismiss` ; et nous le signaler.",
    ),
    "currency_changed": Reason(
        "Lengow donne les montants dans une autre devise que celle de la commande de la boutique.",
        "La voir sur la place de marché ; la corriger à la main dans la boutique, puis `changes dismiss`.",
    ),
    "relay_changed": Reason(
        "L’acheteur a choisi un autre point relais.",
        "Le saisir dans la boutique ; `changes apply` corrige l’adresse qui l’accompagne, s’il y en a une.",
    ),
    "already_shipped": Reason("L’adresse a été corrigée après le départ du colis.", "Rien."),
    "address_erased": Reason("La place de marché cache désormais l’adresse de l’acheteur.", "Rien."),
    "overtaken": Reason("Un changement ultérieur en dit plus.", "Rien."),
    "made_anew": Reason(
        "La commande de la boutique a été recréée ; ce que portait celle qui a disparu y est porté de nouveau.", "Rien."
    ),
    "not_created": Reason("La commande n’a finalement pas été créée dans la boutique.", "Rien."),
    "refused_by_shop": Reason(
        "La boutique a refusé le changement, dans les termes ci-contre.",
        "Corriger ce qu’ils disent, puis `changes apply` ; ou le faire à la main, puis `changes dismiss`.",
    ),
    "change_given_up": Reason(
        "Toutes les tentatives d’apporter le changement ont échoué.",
        "Corriger ce que dit le dernier échec ; puis `changes apply`.",
    ),
}
